use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use gesta_conformance::around::{Around, AroundCheckpoints, AroundReadModels};
use gesta_core::{
    CheckpointError, CheckpointKey, CheckpointStore, Claim,
    read_model::{Commit, ReadModelError, ReadModelStore},
};

use super::*;

/// Whether the answer to a commit gets lost.
type Loses = Mutex<Box<dyn FnMut(&Commit) -> bool + Send>>;

/// A database whose answers get lost at times, and which somebody else may take over in the middle.
struct Faraway {
    inner: Arc<dyn ReadModelStore>,
    loses: Loses,
    /// Claims the checkpoint for somebody else right before the next commit of a projection.
    usurper: AtomicBool,
    /// Takes no change of what processors are told.
    refuses: AtomicBool,
    /// What is done by others before a change of what processors are told, and before which one, counted from here.
    meanwhile: Mutex<Option<(usize, BoxFuture<'static, ()>)>>,
}

impl Faraway {
    fn new(store: &Opened, loses: impl FnMut(&Commit) -> bool + Send + 'static) -> Arc<Around<Self>> {
        let (usurper, refuses, meanwhile) = Default::default();
        let (inner, loses) = (store.read_models(), Mutex::new(Box::new(loses) as _));
        Arc::new(Around(Self { inner, loses, usurper, refuses, meanwhile }))
    }

    /// What others do before this change of what processors are told.
    fn of_others(&self) -> Option<BoxFuture<'static, ()>> {
        let mut meanwhile = self.meanwhile.lock().expect("not poisoned");
        let (before, _) = meanwhile.as_mut()?;
        *before -= 1;
        (*before == 0).then(|| meanwhile.take().expect("is there").1)
    }
}

#[async_trait]
impl AroundCheckpoints for Faraway {
    fn checkpoints(&self) -> &dyn CheckpointStore {
        &*self.inner
    }

    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        let others = if key.name.contains('@') { None } else { self.of_others() };
        if let Some(others) = others {
            others.await;
        }
        self.inner.claim(key, owner, ttl).await
    }
}

#[async_trait]
impl AroundReadModels for Faraway {
    fn read_models(&self) -> &dyn ReadModelStore {
        &*self.inner
    }

    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        let of_projection = commit.key.name.contains('@');
        if !of_projection && self.refuses.load(Ordering::Relaxed) {
            return Err(ReadModelError::Unavailable { reason: "the disk is full".into() });
        }
        if of_projection && self.usurper.swap(false, Ordering::Relaxed) {
            self.inner.release(&commit.key, commit.epoch).await.expect("released");
            self.inner.claim(&commit.key, "usurper", Duration::ZERO).await.expect("free");
        }
        let lost = of_projection && (self.loses.lock().expect("not poisoned"))(&commit);
        self.inner.commit(commit).await?;
        if lost {
            return Err(ReadModelError::Unavailable { reason: "the answer was lost".into() });
        }
        Ok(())
    }
}

/// A site without processors of its own, and ones over this database.
async fn over(site: &Site, faraway: &Arc<Around<Faraway>>, options: ProcessorOptions) -> Processors {
    site.processors.shutdown().await;
    let log = site.store.log();
    let processors = Processors::new(log, site.store.checkpoints(), Arc::new(SystemClock), "this-process")
        .with_read_models(faraway.clone());
    processors.add_projection(Tallies(site.knobs.clone()), options).await.expect("adds");
    processors
}

/// A commit that was made and whose answer was lost is not made again.
pub(crate) async fn a_lost_answer_repeats_nothing(on: Place) {
    let site = Site::new(on).await;
    let mut commits = 0;
    let faraway = Faraway::new(&site.store, move |_| {
        commits += 1;
        commits % 2 == 1
    });
    let processors = over(&site, &faraway, ProcessorOptions { batch: 7, ..quick() }).await;
    let position = site.append("a-1", 100).await;
    processors.start_all().await.expect("starts");
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
    assert_eq!(site.rows().await, [row("a-1", 100)]);
    let status = processors.get(NAME).expect("is there").status;
    assert!(status.failures > 0, "no answer was lost");
    processors.shutdown().await;
}

/// The same while events are left out one by one.
pub(crate) async fn a_lost_answer_repeats_nothing_where_events_are_skipped(on: Place) {
    let site = Site::new(on).await;
    let faraway = Faraway::new(&site.store, |commit| commit.checkpoint.position.get() % 3 == 0);
    let options = ProcessorOptions { on_failure: gesta::OnFailure::Skip, ..quick() };
    let processors = over(&site, &faraway, options).await;
    for _ in 0..10 {
        site.append("a-1", 3).await;
        site.append("huge-1", 1).await;
    }
    let position = site.append("a-1", 1).await;
    processors.start_all().await.expect("starts");
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
    assert_eq!(site.rows().await, [row("a-1", 31)]);
    assert_eq!(processors.get(NAME).expect("is there").status.skipped, 10);
    processors.shutdown().await;
}

/// An owner that is replaced between claim and commit writes nothing, and takes up again once the other is gone.
pub(crate) async fn a_replaced_owner_writes_nothing_and_takes_up_again(on: Place) {
    let site = Site::new(on).await;
    let faraway = Faraway::new(&site.store, |_| false);
    let processors = over(&site, &faraway, quick()).await;
    processors.start_all().await.expect("starts");
    for count in 1..=5 {
        faraway.usurper.store(true, Ordering::Relaxed);
        let position = site.append("a-1", 1).await;
        processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
        assert_eq!(site.rows().await, [row("a-1", count)]);
    }
    let status = processors.get(NAME).expect("is there").status;
    assert!(status.last_error.is_some_and(|error| error.contains("taken over")), "nobody was replaced");
    processors.shutdown().await;
}

/// The same while a held stream is released, where the position of the checkpoint stays.
pub(crate) async fn a_lost_answer_repeats_nothing_while_a_held_stream_is_released(on: Place) {
    let site = Site::new(on).await;
    let mut commits = 0;
    let faraway = Faraway::new(&site.store, move |_| {
        commits += 1;
        commits % 2 == 1
    });
    let options = ProcessorOptions { on_failure: gesta::OnFailure::Skip, ..quick() };
    let processors = over(&site, &faraway, options).await;
    site.knobs.picky.store(true, Ordering::Relaxed);
    site.append("bad-1", 10).await;
    let position = site.append("a-1", 1).await;
    processors.start_all().await.expect("starts");
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
    site.knobs.picky.store(false, Ordering::Relaxed);
    processors.replay_dead_letters(NAME, gesta::Selection::All).await.expect("is decided");
    let released = async {
        while processors.get(NAME).expect("is there").status.dead_letters > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, released).await.expect("is released");
    assert_eq!(site.rows().await, [row("a-1", 1), row("bad-1", 10)]);
    processors.shutdown().await;
}

/// What was told and failed half way leaves the advice that helps.
pub(crate) async fn a_reset_that_failed_says_resume_and_a_resume_heals_it(on: Place) {
    let site = Site::new(on).await;
    let faraway = Faraway::new(&site.store, |_| false);
    let processors = over(&site, &faraway, quick()).await;
    let early = processors.reset(NAME).await.expect_err("nothing runs");
    assert!(early.to_string().contains("start all first"), "{early}");
    processors.start_all().await.expect("starts");
    let position = site.append("a-1", 3).await;
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
    faraway.refuses.store(true, Ordering::Relaxed);
    processors.reset(NAME).await.expect_err("the disk is full");
    let again = processors.reset(NAME).await.expect_err("nothing runs");
    assert!(again.to_string().contains("resume it"), "{again}");
    faraway.refuses.store(false, Ordering::Relaxed);
    processors.resume(NAME).await.expect("goes on");
    processors.reset(NAME).await.expect("resets");
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
    assert_eq!(site.rows().await, [row("a-1", 3)]);
    processors.shutdown().await;
}

/// An answer that was lost on the last attempt is no failure: nothing is left out that was done.
pub(crate) async fn what_was_done_on_the_last_attempt_is_no_dead_letter(on: Place) {
    let site = Site::new(on).await;
    let faraway = Faraway::new(&site.store, |commit| commit.checkpoint.position.get() % 5 != 0);
    let options =
        ProcessorOptions { on_failure: gesta::OnFailure::Skip, attempts: Some(1), batch: 1, ..quick() };
    let processors = over(&site, &faraway, options).await;
    let position = site.append("a-1", 30).await;
    processors.start_all().await.expect("starts");
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");
    assert_eq!(processors.dead_letters(NAME).await, Ok(vec![]));
    assert_eq!(site.rows().await, [row("a-1", 30)]);
    assert!(processors.get(NAME).expect("is there").status.failures > 0, "no answer was lost");
    processors.shutdown().await;
}

/// Another process gives a rebuild up right before it is put in its place: what queries see is what is kept up to date.
pub(crate) async fn a_rebuild_that_is_given_up_elsewhere_is_not_put_in_its_place(on: Place) {
    let site = Site::new(on).await;
    let faraway = Faraway::new(&site.store, |_| false);
    let processors = over(&site, &faraway, quick()).await;
    processors.start_all().await.expect("starts");
    let position = site.append("a-1", 3).await;
    processors.wait_for(NAME, position, PATIENCE).await.expect("gets there");

    let (log, checkpoints) = (site.store.log(), site.store.checkpoints());
    let other = Processors::new(log, checkpoints, Arc::new(SystemClock), "other")
        .with_read_models(site.store.read_models());
    other.add_projection(Tallies(site.knobs.clone()), quick()).await.expect("adds");
    let (done, given_up) = tokio::sync::oneshot::channel();
    let gives_up = async move {
        other.start_all().await.expect("starts");
        other.cancel_rebuild(NAME).await.expect("gives it up");
        other.shutdown().await;
        done.send(()).expect("is waited for");
    };
    // The first change begins the rebuild, the second one is to end it.
    *faraway.meanwhile.lock().expect("not poisoned") = Some((2, Box::pin(gives_up)));
    processors.rebuild(NAME).await.expect("begins");
    tokio::time::timeout(PATIENCE, given_up).await.expect("is built").expect("is given up");

    let position = site.append("a-1", 2).await;
    processors.wait_for(NAME, position, PATIENCE).await.expect("goes on");
    assert_eq!(site.rows().await, [row("a-1", 5)]);
    assert_eq!(processors.get(NAME).expect("is there").generation, 1);
    processors.shutdown().await;
}
