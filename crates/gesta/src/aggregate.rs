//! Decision makers: what may happen to one thing, and what has.

use gesta_core::{InvalidStreamId, StreamId, Timestamp, Version};

use crate::event::Event;

mod registry;
pub use registry::{AggregateView, Aggregates, RegisterError};

/// One thing that decides: a command becomes events or is rejected, and its events make its state.
///
/// Both functions are pure. They know no store, no clock and no randomness; what they need to know about the moment
/// is in the [`Context`]. So the same events always give the same state, and a rule is tested without a runtime
/// (see [`scenario`](crate::scenario)).
///
/// The events of one aggregate are one stream, `CATEGORY-<id>`: what must be right together belongs into one
/// aggregate, everything else into another.
#[doc(alias = "entity")]
#[doc(alias = "decider")]
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    /// The category of its streams. Lower snake case by convention, never with a dash.
    const CATEGORY: &'static str;
    /// What may be asked of it.
    type Command: Send + Sync + 'static;
    /// What may have happened to it.
    type Event: Event;
    /// Why it says no.
    type Rejection: Rejection;

    /// Decides a command against the state: the events that come of it, none if nothing changes, or why not.
    ///
    /// It is called again after a conflict, with newer state, so it must not do anything else.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context<'_>,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Folds an event into the state. It cannot fail: what has happened has happened.
    fn apply(&mut self, event: &Self::Event, context: &Context<'_>);
}

/// What an aggregate may know about the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The aggregate's id: the part of its stream behind the category.
    pub id: &'a str,
    /// `decide`: the version of the state. `apply`: the version of the event.
    pub version: Version,
    /// `decide`: the command's time. `apply`: when the event occurred, else when it was recorded. Microseconds.
    pub at: Timestamp,
    /// Who acts, or acted.
    pub user_id: Option<&'a str>,
}

/// A rule's no: an error with a code of its own that callers may rely on.
///
/// ```
/// #[derive(Debug, thiserror::Error)]
/// #[error("the order is confirmed already")]
/// struct AlreadyConfirmed;
///
/// impl gesta::Rejection for AlreadyConfirmed {
///     fn code(&self) -> &'static str {
///         "AlreadyConfirmed"
///     }
/// }
/// ```
pub trait Rejection: std::error::Error + Send + Sync + 'static {
    /// The rule's name for programs; it never changes. The text is for people.
    fn code(&self) -> &'static str;
}

impl Rejection for std::convert::Infallible {
    fn code(&self) -> &'static str {
        match *self {}
    }
}

/// The stream of the aggregate with this id. Fails when the id has characters that no stream id may have.
pub fn stream_of<A: Aggregate>(id: &str) -> Result<StreamId, InvalidStreamId> {
    format!("{}-{id}", A::CATEGORY).parse()
}
