//! Given events, when a command, then what: without a store and without a runtime.

use gesta::{
    Aggregate, Context,
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

/// What a command comes to in the hundredth second.
pub(crate) fn when<A: Aggregate>(state: &A, command: &A::Command) -> Result<Vec<A::Event>, A::Rejection> {
    state.decide(command, &Context { id: ID, version: Version::EMPTY, at: second(100), user_id: None })
}
