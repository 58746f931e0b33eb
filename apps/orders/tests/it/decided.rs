//! Given events, when a command, then what: without a store and without a runtime.

use std::fmt::Debug;

use gesta::{
    Aggregate, Context, Event, Rejection,
    scenario::{self, Scenario},
};
use gesta_core::{Timestamp, Version};

/// The id of the aggregate under test.
pub(crate) const ID: &str = "7b0c1d5e-0000-4000-8000-000000000001";

/// The n-th second of the test's time.
pub(crate) fn second(n: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(n).expect("a short test") * 1_000_000)
}

/// The state these events make; the n-th happened in the n-th second. Each goes to bytes and back on the way.
pub(crate) fn given<A: Aggregate>(events: &[A::Event]) -> A {
    let life = scenario::of::<A>().with_id(ID);
    let happened =
        |life: Scenario<A>, (n, event): (u64, &A::Event)| life.at(second(n)).given([event.clone()]);
    (1..).zip(events).fold(life, happened).state().clone()
}

/// What each command comes to after each of these lives: the names of its events, or the code of its refusal.
pub(crate) fn table<A: Aggregate<Command: Debug>>(
    lives: &[Vec<A::Event>],
    commands: &[A::Command],
) -> String {
    let row = |command: &A::Command| {
        let outcomes: Vec<_> = lives
            .iter()
            .map(|events| match when(&given::<A>(events), command) {
                Ok(events) => events.iter().map(|event| event.kind().name).collect::<Vec<_>>().join("+"),
                Err(refused) => refused.code().to_owned(),
            })
            .collect();
        let name = format!("{command:?}");
        let name = name.split_whitespace().next().expect("a name");
        format!("{name:<20} {}\n", outcomes.join(" | "))
    };
    commands.iter().map(row).collect()
}

/// Events as they are stored: name, version of the schema, data.
pub(crate) fn stored<E: Event>(events: impl IntoIterator<Item = E>) -> String {
    let text = |event: E| {
        let data = event.encode().expect("encodes");
        format!("{} {} {}", event.kind().name, event.kind().schema_version, String::from_utf8_lossy(&data))
    };
    events.into_iter().map(text).collect::<Vec<_>>().join("\n")
}

/// What a command comes to in the hundredth second.
pub(crate) fn when<A: Aggregate>(state: &A, command: &A::Command) -> Result<Vec<A::Event>, A::Rejection> {
    state.decide(command, &Context { id: ID, version: Version::EMPTY, at: second(100), user_id: None })
}
