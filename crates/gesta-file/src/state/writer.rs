//! The one thread that writes `state.db`.

use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{StateError, wal::Folding};

/// So many jobs wait at most; whoever brings another waits for a place.
const QUEUE: usize = 256;
/// So many jobs share a transaction at most.
const GROUP: usize = 64;

/// The thread's queue.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection for most commits and one for those that must survive a power cut.
    pub(super) fn start(
        normal: Connection,
        durable: Connection,
        folding: Folding,
    ) -> Result<Self, StateError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let mut worker = Worker { normal, durable, folding };
        let thread = thread::Builder::new()
            .name("gesta-state".into())
            .spawn(move || worker.work(jobs))
            .map_err(StateError::unavailable)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs a job and waits for its commit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let (reply, answer) = oneshot::channel();
        let job = Task { durable, work, done: None, reply };
        let queue = self.queue.as_ref().expect("the queue is there until the drop");
        let stopped = || StateError::unavailable("its writer has stopped; open the store again");
        queue.send(Box::new(job)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does for somebody.
trait Job: Send {
    /// Whether its commit has to survive a power cut.
    fn durable(&self) -> bool;
    /// Does the work and keeps its result until the commit.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Tells whoever waits what came of it, once the commit is done or has failed.
    fn answer(self: Box<Self>, committed: Result<(), StateError>);
}

/// A job as a closure, with its result until the commit.
struct Task<T, F> {
    durable: bool,
    work: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StateError>>,
}

impl<T: Send, F: Fn(&Connection) -> rusqlite::Result<T> + Send> Job for Task<T, F> {
    fn durable(&self) -> bool {
        self.durable
    }

    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StateError>) {
        let done = self.done.ok_or_else(|| StateError::unavailable("the work was not done"));
        // Nobody waits any more for some: the work is done all the same.
        let _ = self.reply.send(committed.and(done));
    }
}

/// What the thread owns.
struct Worker {
    normal: Connection,
    durable: Connection,
    folding: Folding,
}

impl Worker {
    /// Ends when the queue is closed and empty.
    fn work(&mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::new();
        while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
            self.commit(std::mem::take(&mut group));
            self.folding.committed();
        }
    }

    /// Commits a group of jobs together, or one by one if that fails, and answers all of them.
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let together = self.transact(&mut group);
        match together {
            Err(error) if group.len() > 1 => {
                // One of them spoils the transaction of all: alone, only that one fails.
                tracing::debug!(%error, jobs = group.len(), "jobs are done one by one");
                for job in group {
                    self.commit(vec![job]);
                }
            }
            settled => {
                let settled = settled.map_err(StateError::unavailable);
                group.into_iter().for_each(|job| job.answer(settled.clone()));
            }
        }
    }

    /// Runs the jobs in one transaction, synced if any of them asks for that.
    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let synced = group.iter().any(|job| job.durable());
        let connection = if synced { &mut self.durable } else { &mut self.normal };
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        for job in group {
            job.run(&transaction)?;
        }
        transaction.commit()
    }
}
