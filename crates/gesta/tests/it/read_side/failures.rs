use gesta::OnFailure;
use gesta_core::{CheckpointKey, read_model::Commit};

use super::*;

pub(crate) async fn an_event_that_cannot_be_projected_stops_it_right_there_and_says_where(on: Place) {
    let site = Site::new(on).await;
    site.knobs.picky.store(true, Ordering::Relaxed);
    site.processors.pause(NAME).await.expect("pauses");
    site.append("a-1", 3).await;
    let bad = site.append("bad-1", 1).await;
    let last = site.append("a-1", 2).await;
    site.processors.resume(NAME).await.expect("goes on");
    let reason = site.stopped().await;
    for part in [format!("position {bad}"), "x ".into(), "it is bad".into(), "bad-1".into(), "version".into()]
    {
        assert!(reason.contains(&part), "{reason:?} does not tell {part:?}");
    }
    // What came before it is in, what came behind it is not.
    assert_eq!(site.rows().await, [row("a-1", 3)]);
    let error = site.processors.wait_for(NAME, last, PATIENCE).await.expect_err("it does not run");
    assert!(error.to_string().contains("it is bad"), "{error}");
    site.knobs.picky.store(false, Ordering::Relaxed);
    site.processors.resume(NAME).await.expect("goes on");
    site.wait(last).await;
    assert_eq!(site.rows().await, [row("a-1", 5), row("bad-1", 1)]);
}

pub(crate) async fn skipping_leaves_out_what_fails_and_nothing_else(on: Place) {
    let site = Site::with(on, ProcessorOptions { on_failure: OnFailure::Skip, ..quick() }).await;
    site.knobs.picky.store(true, Ordering::Relaxed);
    site.processors.pause(NAME).await.expect("pauses");
    for stream in ["a-1", "bad-1", "a-1", "huge-1", "a-1", "bad-2"] {
        site.append(stream, 2).await;
    }
    let last = site.append("b-1", 1).await;
    site.processors.resume(NAME).await.expect("goes on");
    site.wait(last).await;
    assert_eq!(site.rows().await, [row("a-1", 6), row("b-1", 1)]);
    let info = site.until("counted", |info| info.status.skipped == 6).await;
    assert!(info.status.last_error.is_some_and(|error| error.contains("bad-2")));
}

pub(crate) async fn a_value_the_table_does_not_take_names_the_event_and_the_table(on: Place) {
    let site = Site::new(on).await;
    let bad = site.append("huge-1", 1).await;
    let reason = site.stopped().await;
    assert!(reason.contains(&format!("position {bad}")) && reason.contains("tallies"), "{reason}");
}

pub(crate) async fn a_dropped_table_says_rebuild_and_a_rebuild_heals_it(on: Place) {
    let site = Site::with(on, ProcessorOptions { on_failure: OnFailure::Skip, ..quick() }).await;
    let position = site.append("a-1", 3).await;
    site.wait(position).await;
    drop_table(&site, "tallies__1").await;
    let query = site.store.read_models().query("SELECT * FROM tallies".into()).await;
    assert!(query.expect_err("gone").to_string().contains("rebuild"));
    site.append("a-1", 1).await;
    // An event is not at fault, so none is left out.
    let reason = site.stopped().await;
    assert!(reason.contains("there is no table tallies: rebuild"), "{reason}");
    assert_eq!(site.info().status.skipped, 0);
    // After a restart it is said at once, without an event.
    let site = site.restart().await;
    assert!(site.info().note.is_some_and(|note| note.contains("rebuild")));
    site.processors.rebuild(NAME).await.expect("begins");
    site.until("swapped", |info| info.generation == 2 && info.rebuild.is_none()).await;
    assert_eq!(site.rows().await, [row("a-1", 4)]);
    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 5)]);
    assert_eq!(site.info().note, None);
}

/// As somebody with a database shell would.
async fn drop_table(site: &Site, table: &str) {
    let store = site.store.read_models();
    let key = CheckpointKey::new(Tenant::default(), "somebody");
    let epoch = store.claim(&key, "somebody", PATIENCE).await.expect("free").epoch;
    // PostgreSQL drops no table that a view shows.
    let statements = vec!["DROP VIEW tallies".into(), format!("DROP TABLE {table}").into()];
    let (after, checkpoint) = (Position::START, gesta_core::Checkpoint::default());
    store.commit(Commit { key, epoch, after, checkpoint, statements }).await.expect("drops");
}

/// Looks at every event and keeps nothing.
struct Onlooker;

#[async_trait::async_trait]
impl gesta_core::EventHandler for Onlooker {
    fn name(&self) -> &str {
        "onlooker"
    }

    fn filter(&self) -> Filter {
        // Of all tenants, as no projection of this site is.
        Filter::default()
    }

    async fn handle(&self, _: &[RecordedEvent]) -> Result<(), gesta_core::HandlerError> {
        Ok(())
    }
}

pub(crate) async fn one_that_stops_holds_up_nobody_else(on: Place) {
    let site = Site::new(on).await;
    site.processors.add_handler(Arc::new(Onlooker), quick()).await.expect("adds");
    site.append("huge-1", 1).await;
    site.stopped().await;
    let last = site.append("a-1", 5).await;
    site.processors.wait_for("onlooker", last, PATIENCE).await.expect("goes on");
    let infos = site.processors.list();
    let lags: Vec<_> = infos.iter().map(|info| (info.name.as_str(), info.status.lag_events)).collect();
    assert_eq!(lags, [("onlooker", 0), (NAME, 6)]);
    assert_eq!((infos[0].tenant.clone(), infos[1].tenant.clone()), (None, Some(Tenant::default())));
}

/// What is saved beside the checkpoint tells of what was handled, not of the batch that failed.
pub(crate) async fn what_came_before_a_failure_is_counted_and_nothing_else(on: Place) {
    let site = Site::new(on).await;
    site.knobs.picky.store(true, Ordering::Relaxed);
    site.processors.pause(NAME).await.expect("pauses");
    let handled = site.append("a-1", 3).await;
    site.append("bad-1", 1).await;
    site.append("a-1", 5).await;
    site.processors.resume(NAME).await.expect("goes on");
    site.stopped().await;
    let site = site.restart().await;
    site.stopped().await;
    let status = site.info().status;
    assert_eq!((status.processed, status.position), (3, handled));
}

/// After a shutdown it does not look as if it were to start.
pub(crate) async fn one_that_was_shut_down_says_so(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 3).await;
    site.wait(position).await;
    site.processors.shutdown().await;
    let status = site.info().status;
    assert_eq!((status.state, status.position), (ProcessorState::Stopped { reason: None }, position));
    let error = site.processors.wait_for(NAME, position.next(), PATIENCE).await.expect_err("does not run");
    assert!(error.to_string().contains("told to stop"), "{error}");
    site.processors.start_all().await.expect("starts again");
    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 4)]);
}
