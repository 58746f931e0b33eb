//! A domain of three events, for servers that know one.

use std::sync::Arc;

use gesta::{
    Aggregate, Aggregates, Command, Context, Event, ProcessorOptions, Processors, Rejection, Repository,
};
use gesta_core::{CheckpointStore, EventHandler, MemoryCheckpoints, MemoryStore, SystemClock, Tenant};
use gesta_server::{Backend, Config, Server as Embedded};
use serde::{Deserialize, Serialize};

use crate::support::Server;

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

/// What the lamp of an [`application`] is called, and its handler; in the matrix also what A calls its other things: B
/// asks for the same names, which are its own to use.
pub(crate) const NAME: &str = "shared";

/// A server in memory with an application in it: a lamp of this tenant and colour, and a running handler.
pub(crate) async fn application(
    mut config: Config,
    tenant: &str,
    colour: &'static str,
    handler: Arc<dyn EventHandler>,
) -> (Server, Arc<Processors>) {
    config.request_log = false;
    let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
    let backend = Backend::of(Arc::clone(&store), Arc::clone(&checkpoints) as Arc<dyn CheckpointStore>);
    let lamps = Lamps::of(&backend);
    lamps.tell(tenant, NAME, LampCommand::Light(colour)).await;
    let processors = Processors::new(store, checkpoints, Arc::new(SystemClock), "test");
    processors.add_handler(handler, ProcessorOptions::default()).await.expect("added");
    processors.start_all().await.expect("started");
    let processors = Arc::new(processors);
    let embedded = lamps.embedded(backend, config).with_processors(Arc::clone(&processors));
    (Server::of(embedded).await, processors)
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
