//! The test kit itself: it says yes to what holds, and no to what does not, with both sides printed.

use std::{panic::catch_unwind, time::Duration};

use gesta::{
    Aggregate, Context, Event, Projection, ProjectionError, Rows, Table,
    scenario::{self, Recording},
    upcast,
};
use gesta_core::{Filter, RecordedEvent, Tenant, Timestamp, values};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::concert::{Closed, Concert, ConcertCommand, ConcertEvent, open, opened, sell, sold};

fn noon() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().expect("a time")
}

/// What a failing expectation prints.
fn printed(fails: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(fails).expect_err("must fail");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn rules_read_as_sentences() {
    scenario::of::<Concert>()
        .at(noon())
        .when(sell(1))
        .then_rejected("NotOpen")
        .when(open(3))
        .then([opened(3, noon())])
        .after(Duration::from_secs(60))
        .by("ada")
        .when(sell(1))
        .then([sold(1, "ada")])
        .check(|concert| assert_eq!(concert.last_change, Some(noon().plus(Duration::from_secs(60)))))
        .check(|concert| assert_eq!(concert.last_user.as_deref(), Some("ada")))
        .when(sell(1))
        .then_rejected("Taken")
        .given([ConcertEvent::Closed(Closed {})])
        .when(ConcertCommand::Close)
        .then_nothing()
        .when(open(3))
        .then_rejected("AlreadyOpen");
}

#[test]
fn a_failing_expectation_prints_both_sides() {
    let said =
        printed(|| drop(scenario::of::<Concert>().given([opened(2, noon())]).when(sell(0)).then_nothing()));
    assert!(said.contains("expected: []") && said.contains("SeatSold") | said.contains("Sold("), "{said}");
    let said = printed(|| drop(scenario::of::<Concert>().when(sell(0)).then([sold(0, "ada")])));
    assert!(said.contains("NotOpen: the concert is not open") && said.contains("seat: 0"), "{said}");
    let said = printed(|| drop(scenario::of::<Concert>().when(open(1)).then_rejected("NotOpen")));
    assert!(said.contains("expected: NotOpen") && said.contains("Opened("), "{said}");
    let said = printed(|| drop(scenario::of::<Concert>().when(sell(1)).then_rejected("Taken")));
    assert!(said.contains("NotOpen") && said.contains("code Taken"), "{said}");
    let said =
        printed(|| drop(scenario::of::<Concert>().then_state(Concert { seats: 7, ..Concert::default() })));
    assert!(said.contains("seats: 7") && said.contains("seats: 0"), "{said}");
}

/// Wants one type of event and cannot make sense of others.
struct Opened;

impl Projection for Opened {
    fn name(&self) -> &str {
        "opened"
    }
    fn filter(&self) -> Filter {
        Filter::of(Tenant::default()).types(ConcertEvent::types_of(&["ConcertOpened"]))
    }
    fn tables(&self) -> Vec<Table> {
        vec![Table::new("opened", "CREATE TABLE {opened} (concert TEXT PRIMARY KEY)")]
    }
    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        match upcast::decode(event).map_err(ProjectionError::new)? {
            ConcertEvent::Opened(_) => {
                rows.execute("INSERT INTO {opened} VALUES ($1)", values![event.stream.key()])
            }
            other => return Err(ProjectionError::new(format!("unwanted: {other:?}"))),
        }
        Ok(())
    }
}

#[tokio::test]
async fn given_events_then_rows() {
    let read_models = gesta_file::read_models_in_memory().expect("SQLite");
    let events = Recording::new()
        .of("concert-1", [opened(2, noon()), sold(1, "ada")])
        .of("concert-2", [opened(2, noon())])
        .into_events();
    scenario::project(&Opened, &events, &*read_models).await;
    let rows =
        read_models.query("SELECT concert FROM opened ORDER BY concert".into()).await.expect("answers");
    let found: Vec<String> = rows.iter().map(|row| row.get("concert").expect("is text")).collect();
    assert_eq!(found, ["1", "2"]);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counted {
    by: u32,
    #[serde(skip)]
    secret: u32,
}

#[derive(Debug, Clone, PartialEq, Event)]
enum CountEvent {
    #[event(name = "Counted")]
    Counted(Counted),
}

/// Its event loses a field on the way to the store, and the state is made from that field.
#[derive(Debug, Default, Clone, PartialEq)]
struct Forgetful {
    total: u32,
}

impl Aggregate for Forgetful {
    const CATEGORY: &'static str = "forgetful";
    type Command = u32;
    type Event = CountEvent;
    type Rejection = std::convert::Infallible;

    fn decide(&self, by: &u32, _: &Context<'_>) -> Result<Vec<CountEvent>, Self::Rejection> {
        Ok(vec![CountEvent::Counted(Counted { by: *by, secret: *by })])
    }

    fn apply(&mut self, CountEvent::Counted(counted): &CountEvent, _: &Context<'_>) {
        self.total += counted.secret;
    }
}

/// OR-41.
#[test]
fn an_event_that_serde_loses_something_of_is_found() {
    let said = printed(|| drop(scenario::any_sequence::<Forgetful>([0, 5], |_| {})));
    assert!(said.contains("command 1: loading gives another state") && said.contains("total: 5"), "{said}");
}

proptest! {
    #[test]
    fn no_seat_is_sold_that_is_not_there(
        seats in 0..6u32,
        wanted in prop::collection::vec(prop::collection::vec(0..8u32, 0..3), 0..20),
    ) {
        let sales = wanted.into_iter().map(|seats| ConcertCommand::Sell { seats, to: "ada".into() });
        let commands = std::iter::once(open(seats)).chain(sales);
        let end = scenario::any_sequence::<Concert>(commands, |concert| {
            assert!(concert.sold.keys().all(|seat| *seat < concert.seats));
        });
        prop_assert!(end.state().sold.len() <= seats as usize);
    }
}

#[test]
fn an_invariant_that_does_not_hold_is_found() {
    let said = printed(|| {
        let sell_all = [open(2), sell(0), sell(1)];
        drop(scenario::any_sequence::<Concert>(sell_all, |concert| {
            assert!(concert.sold.len() < 2, "sold {} seats", concert.sold.len());
        }));
    });
    assert_eq!(said, "sold 2 seats");
}
