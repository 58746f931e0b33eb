//! Given events, when a command, then what: without a store and without a runtime.

use gesta::{Aggregate, Context};
use gesta_core::{Timestamp, Version};

/// The id of the aggregate under test.
pub(crate) const ID: &str = "7b0c1d5e-0000-4000-8000-000000000001";

/// The n-th second of the test's time.
pub(crate) fn second(n: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(n).expect("a short test") * 1_000_000)
}

fn context(version: u64, at: Timestamp) -> Context<'static> {
    Context { id: ID, version: Version::new(version), at, user_id: None }
}

/// The state these events make; the n-th happened in the n-th second.
pub(crate) fn given<A: Aggregate>(events: &[A::Event]) -> A {
    let mut state = A::default();
    for (event, version) in events.iter().zip(1..) {
        state.apply(event, &context(version, second(version)));
    }
    state
}

/// What a command comes to in the hundredth second.
pub(crate) fn when<A: Aggregate>(state: &A, command: &A::Command) -> Result<Vec<A::Event>, A::Rejection> {
    state.decide(command, &context(0, second(100)))
}
