use gesta::{Page, PageRequest, WaitError};
use gesta_core::{EventHandler, HandlerError, read_model::Statement};

use super::*;

pub(crate) async fn every_event_counts_once_over_restarts(on: Place) {
    let mut site = Site::new(on).await;
    for round in 1..=4 {
        site.append("a-1", 70).await;
        let position = site.append("b-1", 80).await;
        site.wait(position).await;
        assert_eq!(site.rows().await, [row("a-1", 70 * round), row("b-1", 80 * round)]);
        site = site.restart().await;
    }
    let info = site.until("running", |info| info.status.processed == 600).await;
    assert_eq!((info.generation, info.previous, info.rebuild), (1, None, None));
    assert!(info.status.last_event.is_some() && info.status.last_handled_at.is_some());
}

/// A stop in the middle of whatever goes on: what is not committed comes again, what is committed does not.
pub(crate) async fn a_stop_at_any_moment_repeats_nothing(on: Place) {
    let mut site = Site::with(on, ProcessorOptions { batch: 7, flush: Duration::ZERO, ..quick() }).await;
    for _ in 0..8 {
        site.append("a-1", 100).await;
        site = site.restart().await;
    }
    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 801)]);
}

pub(crate) async fn a_wait_ends_when_the_position_is_there_or_says_why_it_is_not(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    let beyond = Position::new(position.get() + 1);
    let short = Duration::from_millis(30);
    match site.processors.wait_for(NAME, beyond, short).await {
        Err(WaitError::Timeout { stands, asked, .. }) => assert_eq!((stands, asked), (position, beyond)),
        other => panic!("it answered {other:?}"),
    }
    let unknown = site.processors.wait_for("nobody", position, PATIENCE).await;
    assert!(matches!(unknown, Err(WaitError::Unknown { .. })));
    let waiting = tokio::spawn({
        let processors = site.processors.clone();
        async move { processors.wait_for(NAME, beyond, PATIENCE).await }
    });
    site.append("a-1", 1).await;
    assert_eq!(waiting.await.expect("runs"), Ok(beyond));
    site.processors.shutdown().await;
}

pub(crate) async fn pages_tell_where_they_stand(on: Place) {
    let site = Site::new(on).await;
    let mut position = Position::START;
    for n in 0..23 {
        position = site.append(&format!("a-{n:02}"), 1).await;
    }
    site.wait(position).await;
    let store = site.store.read_models();
    let page = async |page, size| {
        let query = Statement::new("SELECT stream FROM tallies WHERE n = $1 ORDER BY stream", values![1]);
        let read = |row: &gesta_core::read_model::Row| row.get::<String>("stream");
        Page::of(&*store, query, PageRequest::new(page, size), read).await.expect("answers")
    };
    let first = page(1, 10).await;
    assert_eq!(
        (first.items.len(), first.total_count, first.has_next, first.has_previous),
        (10, 23, true, false)
    );
    let last = page(3, 10).await;
    assert_eq!(last.items, ["a-20", "a-21", "a-22"]);
    assert_eq!((last.has_next, last.has_previous, last.page, last.page_size), (false, true, 3, 10));
    let beyond = page(4, 10).await;
    assert_eq!(
        (beyond.items.len(), beyond.total_count, beyond.has_next, beyond.has_previous),
        (0, 23, false, true)
    );
    assert_eq!(page(1, 1_000).await.page_size, 100);
    assert_eq!(page(0, 0).await.items, ["a-00"]);
}

/// Stores elsewhere, at least once.
struct Letters(std::sync::Mutex<Vec<u64>>);

#[async_trait::async_trait]
impl EventHandler for Letters {
    fn name(&self) -> &str {
        "letters"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        self.0.lock().expect("not poisoned").extend(events.iter().map(|event| event.position.get()));
        Ok(())
    }
}

pub(crate) async fn a_handler_runs_beside_and_a_reset_gives_it_every_event_again(on: Place) {
    let site = Site::new(on).await;
    let letters = Arc::new(Letters(std::sync::Mutex::default()));
    site.processors.add_handler(letters.clone(), quick()).await.expect("adds");
    let position = site.append("a-1", 3).await;
    site.processors.wait_for("letters", position, PATIENCE).await.expect("gets there");
    site.processors.reset("letters").await.expect("resets");
    site.processors.wait_for("letters", position, PATIENCE).await.expect("gets there");
    assert_eq!(*letters.0.lock().expect("not poisoned"), [1, 2, 3, 1, 2, 3]);
    let error = site.processors.rebuild("letters").await.expect_err("no projection");
    assert!(error.to_string().contains("reset"), "{error}");
    let names: Vec<_> = site.processors.list().into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["letters", NAME]);
    let again = site.processors.add_handler(letters, quick()).await;
    assert!(matches!(again, Err(gesta::ProcessorsError::Taken { .. })));
}

pub(crate) async fn a_pause_survives_a_restart(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    site.processors.pause("tally").await.expect("pauses");
    let site = site.restart().await;
    let info = site.until("paused", |info| info.status.state == ProcessorState::Paused).await;
    assert!(info.paused);
    let position = site.append("a-1", 1).await;
    assert_eq!(site.rows().await, [row("a-1", 1)]);
    site.processors.resume("tally").await.expect("goes on");
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 2)]);
}
