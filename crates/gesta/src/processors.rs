//! All that react to the log in this process: listed, paused, rebuilt.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gesta_core::{CheckpointStore, Clock, EventHandler, EventStore, Position, read_model::ReadModelStore};

use crate::{ProcessorOptions, Projection};

mod begin;
mod build;
mod carried;
mod dead_letters;
mod entry;
mod error;
mod follow;
mod info;
mod own_turn;
mod ports;
mod record;
mod wait;

pub use carried::CarriedCheckpoints;
pub use dead_letters::{DeadLetter, DeadLetterStatistics, DeadLettersOfType};
use entry::{Definition, Entry, Work};
pub use error::{ProcessorsError, WaitError};
pub use follow::Following;
pub use info::{ProcessorInfo, ProcessorKind, RebuildProgress};
use ports::Ports;

/// The processors of a process, by name: projections with their read models, and other handlers.
///
/// Names are unique. Wherever a name is asked for, one that ends in `-projection` may be given without that ending.
///
/// # Generations
///
/// A read model has generations: sets of tables, of which queries see one. [`Processors::rebuild`] fills another beside
/// it while the one at work goes on, and swaps them once it is as far, in one transaction; the one before is kept, for
/// [`Processors::swap_back`]. A rebuild that is interrupted goes on after a restart. When a projection has changed since
/// its read model was built (its tables, or its [`version`](Projection::version)), starting it begins a rebuild: until
/// that is done queries are answered by the old generation as it stands.
#[doc(alias = "projection manager")]
pub struct Processors {
    ports: Ports,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
    started: AtomicBool,
}

impl Processors {
    /// None yet. `owner` names this process among those that share the checkpoints.
    pub fn new(
        store: Arc<dyn EventStore>,
        checkpoints: Arc<dyn CheckpointStore>,
        clock: Arc<dyn Clock>,
        owner: impl Into<String>,
    ) -> Self {
        let (owner, following) = (owner.into(), Arc::default());
        let ports = Ports { store, checkpoints, read_models: None, clock, owner, following };
        Self { ports, entries: Mutex::default(), started: AtomicBool::new(false) }
    }

    /// The same with a place for read models; without one no projection can be added.
    pub fn with_read_models(mut self, read_models: Arc<dyn ReadModelStore>) -> Self {
        self.ports.read_models = Some(read_models);
        self
    }

    /// Adds a projection. It runs once [`Processors::start_all`] is called, or at once if that was.
    ///
    /// Fails when the name is taken or illegal, when a table is, and when the backend has no read models.
    pub async fn add_projection(
        &self,
        projection: impl Projection,
        options: ProcessorOptions,
    ) -> Result<(), ProcessorsError> {
        let name = projection.name().to_owned();
        let store = self.ports.read_models.clone();
        let store = store.ok_or_else(|| ProcessorsError::NoReadModels { name: name.clone() })?;
        let definition = Definition::new(Arc::new(projection), store)?;
        self.add(&name, Work::Projection(definition), options).await
    }

    /// Adds a handler that stores elsewhere, at least once: the id of an event, or its position, is the key to notice a
    /// repetition by. It runs once [`Processors::start_all`] is called, or at once if that was.
    pub async fn add_handler(
        &self,
        handler: Arc<dyn EventHandler>,
        options: ProcessorOptions,
    ) -> Result<(), ProcessorsError> {
        let name = handler.name().to_owned();
        self.add(&name, Work::Handler(handler), options).await
    }

    async fn add(&self, name: &str, work: Work, options: ProcessorOptions) -> Result<(), ProcessorsError> {
        let legal = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !legal {
            let reason = format!("illegal processor name {name:?}: use 1 to 64 of A-Z a-z 0-9 . _ -");
            return Err(ProcessorsError::Illegal { reason });
        }
        let entry = Arc::new(Entry::new(self.ports.clone(), name, work, options));
        {
            let mut entries = self.entries();
            if entries.contains_key(name) {
                return Err(ProcessorsError::Taken { name: name.to_owned() });
            }
            entries.insert(name.to_owned(), entry.clone());
        }
        if !self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        // One that cannot begin is none of the list.
        entry.begin().await.inspect_err(|_| drop(self.entries().remove(name)))
    }

    /// Starts all that were added: those that were paused stay so, rebuilds that were interrupted go on, and a projection
    /// that has changed is rebuilt. A second call does nothing. One that cannot begin does not keep the others from it; the
    /// first such failure is answered.
    pub async fn start_all(&self) -> Result<(), ProcessorsError> {
        if self.started.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let mut begun = Ok(());
        for entry in self.all() {
            begun = begun.and(entry.begin().await);
        }
        begun
    }

    /// How all of them fare, by name.
    pub fn list(&self) -> Vec<ProcessorInfo> {
        self.all().iter().map(|entry| entry.info()).collect()
    }

    /// How one of them fares.
    pub fn get(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        Ok(self.find(name)?.info())
    }

    /// Lets it finish its batch and wait, also after a restart of the process, until [`Processors::resume`]. A rebuild of
    /// it waits, too.
    pub async fn pause(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        let entry = self.find(name)?;
        entry.pause().await?;
        Ok(entry.info())
    }

    /// Lets it go on after a pause, and begins again one that has stopped with an error.
    pub async fn resume(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        let entry = self.find(name)?;
        entry.resume().await?;
        Ok(entry.info())
    }

    /// Begins where its options say that it begins, usually at the start of the log. A read model is empty at once and
    /// fills up again under the eyes of its readers: [`Processors::rebuild`] is the way without downtime. A handler gets
    /// every event once more.
    pub async fn reset(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        let entry = self.find(name)?;
        entry.reset().await?;
        Ok(entry.info())
    }

    /// Builds a read model anew beside the one at work, which goes on meanwhile, and puts it in its place once it has
    /// caught up. Answers as soon as the rebuild has begun; [`ProcessorInfo::rebuild`] tells how far it is.
    ///
    /// Fails while another one runs; one that has stopped with an error is given up for the new one.
    pub async fn rebuild(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        let entry = self.find(name)?;
        entry.rebuild().await?;
        Ok(entry.info())
    }

    /// Gives up a rebuild, whether it runs or has stopped: the generation at work stays, and what was built is dropped. A
    /// swap back that still catches up is given up, too, and can be told again.
    ///
    /// Where a projection has changed, the next start begins its rebuild again.
    pub async fn cancel_rebuild(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        let entry = self.find(name)?;
        entry.cancel_rebuild().await?;
        Ok(entry.info())
    }

    /// Puts the generation before back in place, once it has caught up. One that another definition built cannot catch
    /// up: it is put back at once and stays as it stands, until a rebuild.
    pub async fn swap_back(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        let entry = self.find(name)?;
        entry.swap_back().await?;
        Ok(entry.info())
    }

    /// Waits until everything up to `position` is handled: read your writes. Answers with where it stands.
    ///
    /// Fails at once when it does not run, and after `timeout` when it is not there by then.
    pub async fn wait_for(
        &self,
        name: &str,
        position: Position,
        timeout: Duration,
    ) -> Result<Position, WaitError> {
        let entry = self.find(name).map_err(|_| WaitError::Unknown { name: name.to_owned() })?;
        entry.wait_for(position, timeout).await
    }

    /// Where read models are queried; `None` if the backend has none.
    pub fn read_models(&self) -> Option<Arc<dyn ReadModelStore>> {
        self.ports.read_models.clone()
    }

    /// Stops all and waits: batches are finished, places saved, claims ended.
    pub async fn shutdown(&self) {
        let all = self.all();
        futures_util::future::join_all(all.iter().map(|entry| entry.shut_down())).await;
        self.started.store(false, Ordering::Release);
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry>>> {
        self.entries.lock().expect("no holder of the list's lock panics")
    }

    fn all(&self) -> Vec<Arc<Entry>> {
        self.entries().values().cloned().collect()
    }

    fn find(&self, name: &str) -> Result<Arc<Entry>, ProcessorsError> {
        let entries = self.entries();
        let found = entries.get(name).or_else(|| entries.get(&format!("{name}-projection")));
        found.cloned().ok_or_else(|| ProcessorsError::Unknown { name: name.to_owned() })
    }
}
