//! Rules that hold whatever comes.

use std::{fmt::Debug, time::Duration};

use super::{Scenario, of};
use crate::{aggregate::Aggregate, event::Event};

/// Runs any commands one after the other, a second apart, and checks after each that the invariant holds; rejections are
/// legal and change nothing. Along the way it checks what every aggregate owes: deciding twice gives the same events,
/// every event survives its own JSON, and folding the events as read back gives the state that the writer sees. Panics on the first breach, with
/// the number of the command.
///
/// With proptest's strategies as the source, a failing sequence is cut down to the shortest:
///
/// ```
/// # use gesta::{Aggregate, Context, Event};
/// # #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct Moved { by: i64 }
/// # #[derive(Debug, Clone, PartialEq, Event)]
/// # enum AccountEvent { #[event(name = "AccountMoved")] Moved(Moved) }
/// # #[derive(Debug, Default, Clone, PartialEq)]
/// # struct Account { balance: i64 }
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("the account would be overdrawn")]
/// # struct Overdrawn;
/// # impl gesta::Rejection for Overdrawn { fn code(&self) -> &'static str { "Overdrawn" } }
/// # impl Aggregate for Account {
/// #     const CATEGORY: &'static str = "account";
/// #     type Command = i64;
/// #     type Event = AccountEvent;
/// #     type Rejection = Overdrawn;
/// #     fn decide(&self, by: &i64, _: &Context<'_>) -> Result<Vec<AccountEvent>, Overdrawn> {
/// #         if self.balance + by < 0 { Err(Overdrawn) } else { Ok(vec![AccountEvent::Moved(Moved { by: *by })]) }
/// #     }
/// #     fn apply(&mut self, AccountEvent::Moved(moved): &AccountEvent, _: &Context<'_>) { self.balance += moved.by; }
/// # }
/// use gesta::scenario;
/// use proptest::prelude::*;
///
/// proptest!(|(amounts in prop::collection::vec(-100..100i64, 0..50))| {
///     scenario::any_sequence::<Account>(amounts, |account| assert!(account.balance >= 0));
/// });
/// ```
#[track_caller]
pub fn any_sequence<A>(commands: impl IntoIterator<Item = A::Command>, invariant: impl Fn(&A)) -> Scenario<A>
where
    A: Aggregate + PartialEq + Debug,
{
    let mut scenario = of::<A>();
    let mut written = A::default();
    for (number, command) in commands.into_iter().enumerate() {
        scenario = scenario.after(Duration::from_secs(1));
        let Some(events) = decided_twice(&scenario, &command, number) else { continue };
        // Whoever writes folds the events as decided, whoever loads folds them as read back: both must agree.
        let mut version = scenario.version;
        for event in &events {
            version = version.next();
            written.apply(event, &scenario.context(version));
        }
        scenario = scenario.given(events);
        let loaded = &scenario.state;
        assert!(
            written == *loaded,
            "command {number}: loading gives another state\nexpected: {written:#?}\n  actual: {loaded:#?}"
        );
        invariant(loaded);
    }
    scenario
}

#[track_caller]
fn decided_twice<A: Aggregate>(
    scenario: &Scenario<A>,
    command: &A::Command,
    number: usize,
) -> Option<Vec<A::Event>> {
    let (first, second) = (scenario.decide(command), scenario.decide(command));
    match (first, second) {
        (Ok(first), Ok(second)) => {
            let bytes =
                |events: &[A::Event]| events.iter().map(|event| event.encode().ok()).collect::<Vec<_>>();
            assert!(bytes(&first) == bytes(&second), "command {number}: deciding twice gives other events");
            Some(first)
        }
        (Err(_), Err(_)) => None,
        _ => panic!(
            "command {number}: it is rejected once and accepted once, so deciding depends on something else"
        ),
    }
}
