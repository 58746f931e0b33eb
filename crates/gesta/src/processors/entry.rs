//! One processor of the list: what it runs, how it fares.

use std::sync::{Arc, Mutex, MutexGuard};

use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, EventHandler, Filter, Holder, Position,
    Tenant, Timestamp, Wakeups,
    read_model::{ReadModelError, ReadModelStore, Statement},
};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use super::{
    ProcessorInfo, ProcessorKind, ProcessorsError, RebuildProgress,
    follow::Seen,
    own_turn::OwnTurn,
    ports::Ports,
    record::{Generation, Record, Records},
};
use crate::{
    Processor, ProcessorHandle, ProcessorOptions, ProcessorState, ProcessorStatus, Projection, Table,
    processor::Tally,
    projection::{ProjectionHandler, fingerprint, generation, name_of},
};

/// One processor of the list.
pub(super) struct Entry {
    pub(super) ports: Ports,
    pub(super) name: String,
    tenant: Option<Tenant>,
    pub(super) work: Work,
    pub(super) options: ProcessorOptions,
    pub(super) hints: Wakeups,
    /// One operation at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    running: Mutex<Running>,
    changed: watch::Sender<()>,
}

/// What it runs.
pub(super) enum Work {
    Projection(Definition),
    Handler(Arc<dyn EventHandler>),
}

impl Work {
    pub(super) fn filter(&self) -> Filter {
        match self {
            Self::Projection(definition) => definition.projection.filter(),
            Self::Handler(handler) => handler.filter(),
        }
    }

    /// Whether this program can go on with a generation.
    pub(super) fn built(&self, generation: &Generation) -> bool {
        match self {
            Self::Projection(definition) => definition.built(generation),
            Self::Handler(_) => true,
        }
    }
}

/// A projection as this program defines it.
pub(super) struct Definition {
    pub(super) projection: Arc<dyn Projection>,
    pub(super) store: Arc<dyn ReadModelStore>,
    pub(super) tables: Vec<Table>,
    pub(super) names: Vec<String>,
    pub(super) fingerprint: Uuid,
}

impl Definition {
    pub(super) fn new(
        projection: Arc<dyn Projection>,
        store: Arc<dyn ReadModelStore>,
    ) -> Result<Self, ProcessorsError> {
        let tables = projection.tables();
        let illegal = |reason| Err(ProcessorsError::Illegal { reason });
        if tables.is_empty() {
            return illegal(format!("the projection {} has no tables: declare one", projection.name()));
        }
        if let Some(reason) = tables.iter().find_map(Table::objection) {
            return illegal(reason);
        }
        // What cannot be filled in is found now, not at the first event.
        if let Err(error) = generation::make(&tables, 1) {
            return illegal(error.to_string());
        }
        let names = tables.iter().map(|table| table.name.to_string()).collect();
        let fingerprint = fingerprint(projection.version(), &tables);
        Ok(Self { projection, store, tables, names, fingerprint })
    }

    pub(super) fn make(&self, number: u64) -> Result<Vec<Statement>, ProcessorsError> {
        generation::make(&self.tables, number)
            .map_err(|error| ProcessorsError::Illegal { reason: error.to_string() })
    }

    /// Whether this program can go on with a generation.
    pub(super) fn built(&self, generation: &Generation) -> bool {
        generation.fingerprint == self.fingerprint
    }
}

/// What is running of it.
#[derive(Default)]
pub(super) struct Running {
    pub(super) record: Record,
    pub(super) at_work: Option<ProcessorHandle>,
    /// How the one at work fares while nothing runs.
    pub(super) idle: Option<ProcessorStatus>,
    pub(super) building: Option<Building>,
    pub(super) note: Option<String>,
    /// Whether it was started once, so that it is an operation that failed if nothing runs.
    pub(super) has_begun: bool,
    /// What was last seen of it, if it does not run here.
    pub(super) seen: Option<Seen>,
}

impl Running {
    /// Whether this process has the claim on the generation at work.
    pub(super) fn has_claim(&self) -> bool {
        self.at_work.as_ref().is_some_and(|handle| handle.status().epoch.0 != 0)
    }
}

/// A generation that is being built.
pub(super) struct Building {
    pub(super) handle: ProcessorHandle,
    pub(super) from: Position,
    pub(super) since: Timestamp,
    /// Puts it in its place once it has caught up.
    pub(super) swap: JoinHandle<()>,
}

impl Entry {
    pub(super) fn new(ports: Ports, name: &str, work: Work, options: ProcessorOptions) -> Self {
        Self {
            hints: ports.store.wakeups(),
            ports,
            name: name.to_owned(),
            tenant: work.filter().tenant,
            work,
            options,
            turn: tokio::sync::Mutex::default(),
            running: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().expect("no holder of the processors' lock panics")
    }

    /// Tells those who wait that another generation is at work.
    pub(super) fn changed(&self) {
        self.changed.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn key(&self, name: impl Into<String>) -> CheckpointKey {
        CheckpointKey::new(self.tenant.clone().unwrap_or_default(), name)
    }

    /// The checkpoint of what runs under this name.
    pub(super) fn checkpoint_of(&self, generation: u64) -> CheckpointKey {
        match self.work {
            Work::Projection(_) => self.key(name_of(&self.name, generation)),
            Work::Handler(_) => self.key(self.name.clone()),
        }
    }

    pub(super) fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        match &self.work {
            Work::Projection(definition) => definition.store.clone(),
            Work::Handler(_) => self.ports.checkpoints.clone(),
        }
    }

    /// Who has a generation, if that is another process than this.
    pub(super) async fn held_elsewhere(&self, generation: u64) -> Result<Option<Holder>, CheckpointError> {
        let holder = self.checkpoints().holder(&self.checkpoint_of(generation)).await?;
        Ok(holder.filter(|holder| holder.owner != self.ports.owner))
    }

    pub(super) fn records(&self) -> Records {
        let read_models = match &self.work {
            Work::Projection(definition) => Some(definition.store.clone()),
            Work::Handler(_) => None,
        };
        let key = self.key(format!("{}{}", super::carried::RECORDS, self.name));
        Records { checkpoints: self.checkpoints(), read_models, owner: self.ports.owner.clone(), key }
    }

    pub(super) fn projection(&self) -> Result<&Definition, ProcessorsError> {
        match &self.work {
            Work::Projection(definition) => Ok(definition),
            Work::Handler(_) => Err(ProcessorsError::NoProjection { name: self.name.clone() }),
        }
    }

    /// Changes what is recorded, and the tables with it; from now on this process goes by that.
    pub(super) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Record) -> Result<(T, Vec<Statement>), ProcessorsError>,
    ) -> Result<T, ProcessorsError> {
        let (answer, record) = self.records().change(change).await?;
        self.running().record = record;
        Ok(answer)
    }

    /// Runs the generation at work.
    pub(super) fn go_on(self: &Arc<Self>, generation: u64) {
        let handle = self.run(generation, self.options.clone());
        let mut running = self.running();
        running.at_work = Some(handle);
        (running.idle, running.note) = (None, None);
    }

    /// Leaves the generation at work as it stands, with a note that says why.
    pub(super) async fn leave(&self, generation: u64, note: String) -> Result<(), ProcessorsError> {
        let state = ProcessorState::Stopped { reason: Some(note.clone()) };
        let idle = self.saved(generation, state).await?;
        let mut running = self.running();
        (running.idle, running.note) = (Some(idle), Some(note));
        Ok(())
    }

    /// Starts the loop of a generation, paused if it is to be.
    pub(super) fn run(self: &Arc<Self>, generation: u64, options: ProcessorOptions) -> ProcessorHandle {
        let handler: Arc<dyn EventHandler> = match &self.work {
            Work::Projection(definition) => Arc::new(ProjectionHandler::new(
                definition.projection.clone(),
                definition.store.clone(),
                name_of(&self.name, generation),
                generation,
            )),
            Work::Handler(handler) => handler.clone(),
        };
        let Ports { store, clock, owner, .. } = &self.ports;
        let (checkpoints, gate) = (self.checkpoints(), OwnTurn { entry: Arc::downgrade(self), generation });
        let processor = Processor::new(store.clone(), checkpoints, clock.clone(), owner.clone(), handler);
        let handle = processor.with(options).behind(Arc::new(gate)).start();
        if self.running().record.paused {
            handle.pause();
        }
        handle
    }

    /// The status of a generation that does not run here, as it was saved.
    pub(super) async fn saved(
        &self,
        generation: u64,
        state: ProcessorState,
    ) -> Result<ProcessorStatus, ProcessorsError> {
        let Checkpoint { position, state: tally } =
            self.checkpoints().load(&self.checkpoint_of(generation)).await?;
        let Tally { processed, event: last_event, at, .. } = Tally::from_bytes(&tally);
        let last_handled_at = at.map(Timestamp::from_micros);
        let unknown = ProcessorStatus::new(&self.name);
        Ok(ProcessorStatus { state, position, processed, last_event, last_handled_at, ..unknown })
    }

    /// Why the tables of a generation cannot be used; `None` if they are there.
    pub(super) async fn lacks(&self, generation: u64) -> Result<Option<String>, ProcessorsError> {
        let definition = self.projection()?;
        match definition.store.query_together(generation::look(&definition.names, generation)).await {
            Ok(_) => Ok(None),
            Err(error @ ReadModelError::Missing { .. }) => Ok(Some(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// How the one at work fares.
    pub(super) fn status(&self) -> ProcessorStatus {
        self.status_of(&self.running())
    }

    fn status_of(&self, running: &Running) -> ProcessorStatus {
        let local = running.at_work.as_ref().map(ProcessorHandle::status).or_else(|| running.idle.clone());
        let seen = running.seen.as_ref().filter(|seen| seen.owner.is_some() || local.is_none());
        let shown = match (local, seen) {
            (Some(local), _) if local.epoch.0 != 0 => local,
            (_, Some(seen)) => seen.status.clone(),
            (Some(local), None) => local,
            (None, None) => ProcessorStatus::new(&self.name),
        };
        let mut status = ProcessorStatus { name: self.name.clone(), ..shown };
        status.measure(self.hints.latest());
        status
    }

    /// All there is to know about it.
    pub(super) fn info(&self) -> ProcessorInfo {
        let running = self.running();
        let record = &running.record;
        let kind = match &self.work {
            Work::Projection(definition) => ProcessorKind::Projection { tables: definition.names.clone() },
            Work::Handler(_) => ProcessorKind::Handler,
        };
        let number = |generation: &Option<Generation>| generation.as_ref().map(|found| found.number);
        ProcessorInfo {
            name: self.name.clone(),
            tenant: self.tenant.clone(),
            kind,
            status: self.status_of(&running),
            paused: record.paused,
            generation: number(&record.at_work).unwrap_or_default(),
            previous: number(&record.before),
            rebuild: self.progress(&running),
            note: running.note.clone(),
            owner: running.seen.as_ref().filter(|_| !running.has_claim()).and_then(|seen| seen.owner.clone()),
        }
    }

    fn progress(&self, running: &Running) -> Option<RebuildProgress> {
        let (building, generation) = (running.building.as_ref()?, running.record.building.as_ref()?);
        let mut status = building.handle.status();
        if let Some(built) = running.seen.as_ref().and_then(|seen| seen.built.clone())
            && status.epoch.0 == 0
            && built.position > status.position
        {
            status = ProcessorStatus { head: status.head.max(built.position), ..built };
        }
        let (done, of) = (status.position, status.head);
        let came = done.get().saturating_sub(building.from.get());
        let took = self.ports.clock.now().since(building.since);
        let left = of.get().saturating_sub(done.get());
        let time_left = (came > 0).then(|| took.mul_f64(left as f64 / came as f64));
        Some(RebuildProgress { generation: generation.number, status, done, of, time_left })
    }
}
