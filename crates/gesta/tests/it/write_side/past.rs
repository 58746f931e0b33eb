//! How it came to be: states of the past, what differs, who did it.

use std::{sync::Arc, time::Duration};

use gesta::{
    Aggregate, Aggregates, Command, Context, Event, Repository,
    aggregate::RegisterError,
    history::{At, Change, FieldSets},
};
use gesta_core::{ManualClock, MemoryStore, Timestamp, Version};
use serde::Serialize;
use serde_json::{Value, json};

use super::concert::{Concert, ConcertCommand, ConcertEvent, No, open, sell, tenant};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn start() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().expect("a time")
}

/// Opened on the first day, sold on the second and third, closed on the fourth.
async fn season() -> Repository<Concert> {
    let clock = Arc::new(ManualClock::at(start()));
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let concerts = Repository::<Concert>::new(store).with_clock(clock.clone());
    let asked = [(open(9), "ada"), (sell(3), "bob"), (sell(4), "eve"), (ConcertCommand::Close, "ada")];
    for (payload, user) in asked {
        concerts.execute(Command::new("1", payload).by(user)).await.expect("takes effect");
        clock.advance(DAY);
    }
    concerts
}

fn day(number: u32) -> At {
    At::Time(start().plus(DAY * number))
}

/// OR-23.
#[tokio::test]
async fn a_state_is_shown_as_of_a_version_or_a_time() {
    let concerts = season().await;
    let shown = async |at| concerts.view(&tenant(), "1", at).await.expect("loads").expect("is there");
    let version = |number| At::Version(Version::new(number));
    assert_eq!(shown(version(2)).await.state["sold"], json!({"3": "ada"}));
    assert_eq!(shown(day(1)).await, shown(version(2)).await, "the very moment is included");
    assert_eq!(shown(At::Latest).await, shown(version(4)).await);
    assert_eq!(shown(version(99)).await.version, Version::new(4), "as far as it has come");
    assert_eq!(shown(day(2)).await.at, start().plus(DAY * 2));
    let before = At::Time(Timestamp::from_micros(start().as_micros() - 1));
    assert_eq!(concerts.view(&tenant(), "1", before).await.expect("loads"), None);
    assert_eq!(concerts.view(&tenant(), "2", At::Latest).await.expect("loads"), None);
}

#[tokio::test]
async fn a_time_of_the_past_is_when_things_happened_and_not_when_they_were_recorded() {
    let concerts = Repository::<Concert>::new(Arc::new(MemoryStore::new()));
    for (payload, at) in [(open(9), start()), (sell(1), start().plus(DAY))] {
        let executed =
            concerts.execute(Command::new("1", payload).occurred_at(at)).await.expect("takes effect");
        assert_eq!(executed.state.last_change, Some(at), "the writer sees the same time as a later reader");
    }
    let then = concerts.load_at(&tenant(), "1", start()).await.expect("loads").expect("is there");
    assert_eq!((then.version, then.at, then.state.last_change), (Version::new(1), start(), Some(start())));
}

#[tokio::test]
async fn a_difference_names_paths_with_before_and_after() {
    let concerts = season().await;
    let (two, three) = (At::Version(Version::new(2)), At::Version(Version::new(3)));
    let diff = concerts.diff(&tenant(), "1", two, three).await.expect("loads").expect("is there");
    let change = |path: &str, before: Value, after: Value| Change {
        path: path.into(),
        before: (!before.is_null()).then_some(before),
        after: Some(after),
    };
    let (second, third) = (start().plus(DAY), start().plus(DAY * 2));
    let expected = [
        change("/last_change", json!(second), json!(third)),
        change("/last_user", json!("bob"), json!("eve")),
        change("/sold/4", Value::Null, json!("ada")),
    ];
    assert_eq!((diff.from, diff.to), (Version::new(2), Version::new(3)));
    assert_eq!(diff.changes, expected);
    let nothing = At::Version(Version::EMPTY);
    let whole = concerts.diff(&tenant(), "1", nothing, At::Latest).await.expect("loads").expect("is there");
    assert!(whole.from == Version::EMPTY && whole.changes.len() > 3);
    let empty = concerts.diff(&tenant(), "1", nothing, nothing).await.expect("loads").expect("is there");
    assert_eq!((empty.from, empty.to, empty.changes), (Version::EMPTY, Version::EMPTY, vec![]));
    assert_eq!(concerts.diff(&tenant(), "2", nothing, nothing).await.expect("loads"), None);
    assert_eq!(concerts.diff(&tenant(), "2", nothing, At::Latest).await.expect("loads"), None);
}

#[tokio::test]
async fn the_events_that_set_a_field_are_found() {
    let concerts = season().await;
    let set = concerts.field_history(&tenant(), "1", "/open", 10).await.expect("reads").sets;
    let told: Vec<_> =
        set.iter().map(|set| (set.event.version.get(), &*set.event.event_type, &set.after)).collect();
    assert_eq!(told, [(1, "ConcertOpened", &Some(json!(true))), (4, "ConcertClosed", &Some(json!(false)))]);
    let seat = concerts.field_history(&tenant(), "1", "/sold/4", 10).await.expect("reads").sets;
    assert_eq!((seat.len(), seat[0].event.user_id.as_deref(), &seat[0].before), (1, Some("eve"), &None));
    let last = concerts.field_history(&tenant(), "1", "/last_user", 1).await.expect("reads");
    let told = (last.cut, last.sets.len(), last.sets[0].event.version.get());
    assert_eq!(told, (true, 1, 4), "the latest, if only some are wanted");
    let none = concerts.field_history(&tenant(), "1", "/none", 10).await.expect("reads");
    assert_eq!(none, FieldSets { sets: vec![], cut: false });
}

#[tokio::test]
async fn the_changes_of_a_large_field_are_bounded_by_their_size() {
    // Each change holds all that is sold by then twice, before and after it.
    for (bytes, seats, kept) in [(310_000, 5, 3), (900_000, 6, 1)] {
        let concerts = Repository::<Concert>::new(Arc::new(MemoryStore::new()));
        concerts.execute(Command::new("1", open(9))).await.expect("opens");
        for seat in 1..=seats {
            let payload = ConcertCommand::Sell { seats: vec![seat], to: "x".repeat(bytes) };
            concerts.execute(Command::new("1", payload)).await.expect("sells");
        }
        let found = concerts.field_history(&tenant(), "1", "/sold", 100).await.expect("reads");
        assert_eq!((found.cut, found.sets.len()), (true, kept));
        let last = found.sets.last().expect("the last one is always there");
        assert_eq!(last.event.version.get(), u64::from(seats) + 1);
    }
}

#[tokio::test]
async fn history_comes_in_pages() {
    let concerts = season().await;
    let page = concerts.history(&tenant(), "1", Version::new(1), 2).await.expect("reads");
    assert_eq!(page.iter().map(|past| past.version.get()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((&page[0].data, page[0].user_id.as_deref()), (&json!({"seat": 3, "to": "ada"}), Some("bob")));
    assert!(page[0].correlation_id.is_some() && page[0].causation_id.is_some());
}

#[tokio::test]
async fn the_registry_answers_by_category_and_id() {
    let mut aggregates = Aggregates::new();
    aggregates.register(season().await).expect("registers");
    let concerts = aggregates.of("concert").expect("is registered");
    let shown = concerts.state(&tenant(), "1", At::Version(Version::new(1))).await.expect("loads");
    assert_eq!(shown.expect("is there").state["seats"], json!(9));
    assert!(aggregates.of("opera").is_none());
    assert_eq!(aggregates.categories().collect::<Vec<_>>(), ["concert"]);
    assert_eq!(aggregates.kinds().find("seat.sold").map(|kind| kind.name), Some("SeatSold"));
    let error = concerts.state(&tenant(), "a b", At::Latest).await.expect_err("no stream can be called so");
    assert!(error.to_string().starts_with("illegal stream id"), "{error}");
}

macro_rules! registered {
    ($name:ident, $category:literal, $event:ty) => {
        #[derive(Default, Clone, Serialize)]
        struct $name;
        impl Aggregate for $name {
            const CATEGORY: &'static str = $category;
            type Command = ();
            type Event = $event;
            type Rejection = No;
            fn decide(&self, (): &(), _: &Context<'_>) -> Result<Vec<$event>, No> {
                Ok(vec![])
            }
            fn apply(&mut self, _: &$event, _: &Context<'_>) {}
        }
    };
}

#[derive(Clone, Event)]
enum Clashing {
    #[event(name = "CinemaSeatSold", aliases("seat.sold"))]
    Sold(Value),
}

registered!(Opera, "concert", ConcertEvent);
registered!(Dashed, "con-cert", ConcertEvent);
registered!(Cinema, "cinema", Clashing);

#[tokio::test]
async fn what_cannot_be_told_apart_is_not_registered() {
    fn repository<A: Aggregate>() -> Repository<A> {
        Repository::new(Arc::new(MemoryStore::new()))
    }
    let mut aggregates = Aggregates::new();
    aggregates.register(repository::<Concert>()).expect("registers");
    let category = RegisterError::Category { category: "concert" };
    assert_eq!(aggregates.register(repository::<Opera>()), Err(category));
    let dashed = RegisterError::IllegalCategory { category: "con-cert" };
    assert_eq!(aggregates.register(repository::<Dashed>()), Err(dashed));
    let Err(RegisterError::Spelling(shared)) = aggregates.register(repository::<Cinema>()) else {
        panic!("seat.sold is taken")
    };
    assert_eq!(
        (shared.spelling, shared.first.name, shared.second.name),
        ("seat.sold", "SeatSold", "CinemaSeatSold")
    );
    assert!(aggregates.of("cinema").is_none(), "nothing of it is registered");
}
