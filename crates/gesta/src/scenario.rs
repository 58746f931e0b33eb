//! A test kit: rules as sentences, without a runtime and without a store.
//!
//! *Given* what has happened, *when* a command comes, *then* these events, this state, or this no. What is not as
//! expected panics and prints both.
//!
//! ```
//! # use gesta::{Aggregate, Context, Event};
//! # #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
//! # struct Opened {}
//! # #[derive(Debug, Clone, PartialEq, Event)]
//! # enum DoorEvent { #[event(name = "DoorOpened")] Opened(Opened) }
//! # #[derive(Debug, Default, Clone, PartialEq)]
//! # struct Door { open: bool }
//! # #[derive(Debug, thiserror::Error)]
//! # #[error("the door is open already")]
//! # struct AlreadyOpen;
//! # impl gesta::Rejection for AlreadyOpen { fn code(&self) -> &'static str { "AlreadyOpen" } }
//! # enum DoorCommand { Open }
//! # impl Aggregate for Door {
//! #     const CATEGORY: &'static str = "door";
//! #     type Command = DoorCommand;
//! #     type Event = DoorEvent;
//! #     type Rejection = AlreadyOpen;
//! #     fn decide(&self, _: &DoorCommand, _: &Context<'_>) -> Result<Vec<DoorEvent>, AlreadyOpen> {
//! #         if self.open { Err(AlreadyOpen) } else { Ok(vec![DoorEvent::Opened(Opened {})]) }
//! #     }
//! #     fn apply(&mut self, _: &DoorEvent, _: &Context<'_>) { self.open = true; }
//! # }
//! use gesta::scenario;
//!
//! scenario::of::<Door>()
//!     .when(DoorCommand::Open)
//!     .then([DoorEvent::Opened(Opened {})])
//!     .then_state(Door { open: true })
//!     .when(DoorCommand::Open)
//!     .then_rejected("AlreadyOpen");
//! ```
//!
//! On the way every event is written to bytes and read back, so an event that serde loses something of is found too.

use std::{fmt::Debug, time::Duration};

use gesta_core::{Timestamp, Version};

use crate::{
    aggregate::{Aggregate, Context, Rejection},
    event::Event,
};

mod golden;
mod recording;
mod rows;
mod sequence;

pub use golden::golden_files;
pub use recording::{Recording, stored};
pub use rows::project;
pub use sequence::any_sequence;

/// When scenarios begin, unless they say: 2026-01-01T00:00:00Z, in microseconds.
const BEGINNING: i64 = 1_767_225_600_000_000;

/// A scenario of one aggregate that nothing has happened to, on 1 January 2026, UTC.
pub fn of<A: Aggregate>() -> Scenario<A> {
    Scenario {
        id: "1".into(),
        now: Timestamp::from_micros(BEGINNING),
        user_id: None,
        state: A::default(),
        version: Version::EMPTY,
        events: Vec::new(),
    }
}

/// What has happened to one aggregate, and what time it is.
#[derive(Debug, Clone)]
pub struct Scenario<A: Aggregate> {
    id: String,
    now: Timestamp,
    user_id: Option<String>,
    state: A,
    version: Version,
    events: Vec<A::Event>,
}

/// What came of a command.
#[must_use = "say what is expected: then, then_nothing, then_rejected"]
pub struct Outcome<A: Aggregate> {
    scenario: Scenario<A>,
    decided: Result<Vec<A::Event>, A::Rejection>,
}

impl<A: Aggregate> Scenario<A> {
    /// The same with this id; `1` unless set.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The same at this time.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.now = time;
        self
    }

    /// The same so much later.
    pub fn after(mut self, time: Duration) -> Self {
        self.now = self.now.plus(time);
        self
    }

    /// The same with this user acting from now on.
    pub fn by(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// The same after these events, all at the scenario's time. Panics on one that does not survive its own JSON.
    #[track_caller]
    pub fn given(mut self, events: impl IntoIterator<Item = A::Event>) -> Self {
        for event in events {
            self.happened(event);
        }
        self
    }

    /// Lets the aggregate decide.
    pub fn when(self, command: A::Command) -> Outcome<A> {
        let decided = self.decide(&command);
        Outcome { scenario: self, decided }
    }

    /// Expects this state. Panics on another one.
    #[track_caller]
    pub fn then_state(self, expected: A) -> Self
    where
        A: PartialEq + Debug,
    {
        let actual = &self.state;
        assert!(
            *actual == expected,
            "the state is another one\nexpected: {expected:#?}\n  actual: {actual:#?}"
        );
        self
    }

    /// Looks at the state, with assertions of your own.
    pub fn check(self, look: impl FnOnce(&A)) -> Self {
        look(&self.state);
        self
    }

    /// The state.
    pub fn state(&self) -> &A {
        &self.state
    }

    /// How many events there are.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Every event so far.
    pub fn events(&self) -> &[A::Event] {
        &self.events
    }

    fn decide(&self, command: &A::Command) -> Result<Vec<A::Event>, A::Rejection> {
        self.state.decide(command, &self.context(self.version))
    }

    fn context(&self, version: Version) -> Context<'_> {
        Context { id: &self.id, version, at: self.now, user_id: self.user_id.as_deref() }
    }

    #[track_caller]
    fn happened(&mut self, event: A::Event) {
        let read = survives(&event);
        let mut state = self.state.clone();
        state.apply(&read, &self.context(self.version.next()));
        self.state = state;
        self.version = self.version.next();
        self.events.push(read);
    }
}

impl<A: Aggregate> Outcome<A> {
    /// Expects exactly these events. Panics on others and on a no; the scenario goes on behind them.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Scenario<A>
    where
        A::Event: PartialEq + Debug,
    {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.decided {
            Ok(actual) if actual == expected => self.scenario.given(actual),
            Ok(actual) => panic!("other events came of it\nexpected: {expected:#?}\n  actual: {actual:#?}"),
            Err(actual) => panic!("{}\nexpected: {expected:#?}", told(&actual)),
        }
    }

    /// Expects success without an event: nothing changes.
    #[track_caller]
    pub fn then_nothing(self) -> Scenario<A>
    where
        A::Event: PartialEq + Debug,
    {
        self.then([])
    }

    /// Expects a rejection with this code. Panics on another one and on events; the scenario goes on as if nothing was.
    #[track_caller]
    pub fn then_rejected(self, code: &str) -> Scenario<A>
    where
        A::Event: Debug,
    {
        match self.decided {
            Err(actual) if actual.code() == code => self.scenario,
            Err(actual) => panic!("{}\nexpected: a rejection with code {code}", told(&actual)),
            Ok(actual) => panic!("it was not rejected\nexpected: {code}\n  actual: {actual:#?}"),
        }
    }

    /// Expects success, whatever the events; the scenario goes on behind them. Panics on a no.
    #[track_caller]
    pub fn then_accepted(self) -> Scenario<A> {
        match self.decided {
            Ok(events) => self.scenario.given(events),
            Err(actual) => panic!("{}\nexpected: success", told(&actual)),
        }
    }
}

fn told(rejection: &impl Rejection) -> String {
    format!("it was rejected\n  actual: {}: {rejection}", rejection.code())
}

/// The event as it is read back from its own bytes.
#[track_caller]
fn survives<E: Event>(event: &E) -> E {
    let kind = event.kind();
    let bytes = event.encode().unwrap_or_else(|error| panic!("{} cannot be written: {error}", kind.name));
    let read = E::decode(kind, &bytes).unwrap_or_else(|error| {
        panic!("{} cannot be read from its own bytes {}: {error}", kind.name, String::from_utf8_lossy(&bytes))
    });
    let again = read.encode().unwrap_or_default();
    assert!(
        again == bytes,
        "{} is another event when it is read back\nexpected: {}\n  actual: {}",
        kind.name,
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(&again)
    );
    read
}
