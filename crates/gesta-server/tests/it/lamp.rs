//! A domain of three events, for servers that know one.

use gesta::{Aggregate, Aggregates, Command, Context, Event, Rejection, Repository};
use gesta_core::Tenant;
use gesta_server::{Backend, Config, Server as Embedded};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Lamp {
    colour: Option<String>,
    lit: bool,
    notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lit {
    colour: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Darkened {}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Noted {
    text: String,
}

#[derive(Debug, Clone, Event)]
pub(crate) enum LampEvent {
    #[event(name = "LampLit")]
    Lit(Lit),
    #[event(name = "LampDarkened")]
    Darkened(Darkened),
    #[event(name = "LampNoted")]
    Noted(Noted),
}

#[derive(Debug, Clone)]
pub(crate) enum LampCommand {
    Light(&'static str),
    Darken,
    Note(&'static str),
}

#[derive(Debug, thiserror::Error)]
#[error("the lamp is dark already")]
pub(crate) struct AlreadyDark;

impl Rejection for AlreadyDark {
    fn code(&self) -> &'static str {
        "AlreadyDark"
    }
}

impl Aggregate for Lamp {
    const CATEGORY: &'static str = "lamp";
    type Command = LampCommand;
    type Event = LampEvent;
    type Rejection = AlreadyDark;

    fn decide(&self, command: &LampCommand, _: &Context<'_>) -> Result<Vec<LampEvent>, AlreadyDark> {
        match command {
            LampCommand::Light(colour) => Ok(vec![LampEvent::Lit(Lit { colour: (*colour).into() })]),
            LampCommand::Darken if !self.lit => Err(AlreadyDark),
            LampCommand::Darken => Ok(vec![LampEvent::Darkened(Darkened {})]),
            LampCommand::Note(text) => Ok(vec![LampEvent::Noted(Noted { text: (*text).into() })]),
        }
    }

    fn apply(&mut self, event: &LampEvent, _: &Context<'_>) {
        match event {
            LampEvent::Lit(lit) => (self.colour, self.lit) = (Some(lit.colour.clone()), true),
            LampEvent::Darkened(_) => (self.colour, self.lit) = (None, false),
            LampEvent::Noted(noted) => self.notes.push(noted.text.clone()),
        }
    }
}

/// A server to be that knows lamps, and the way to use them.
pub(crate) struct Lamps {
    repository: Repository<Lamp>,
}

impl Lamps {
    pub(crate) fn of(backend: &Backend) -> Self {
        Self { repository: Repository::new(backend.store()) }
    }

    pub(crate) fn embedded(&self, backend: Backend, config: Config) -> Embedded {
        let mut aggregates = Aggregates::new();
        aggregates.register(self.repository.clone()).expect("one aggregate");
        Embedded::new(backend, config).named("lamps").with_aggregates(aggregates)
    }

    pub(crate) async fn tell(&self, tenant: &str, key: &str, command: LampCommand) {
        let tenant: Tenant = tenant.parse().expect("legal");
        let command = Command::new(key, command).of(tenant).by("ada");
        self.repository.execute(command).await.expect("executed");
    }
}
