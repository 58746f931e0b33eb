//! G10, OR-36, P7-74: what fails is left out with its later ones, kept, and handled again in order.

use gesta::{DeadLetter, OnFailure, Selection};
use gesta_core::{ReadStream, Version};

use futures_util::TryStreamExt;

use super::*;

fn skipping() -> ProcessorOptions {
    ProcessorOptions { on_failure: OnFailure::Skip, ..quick() }
}

/// A site whose projection does not take events of `bad`, of which there are two among others.
async fn with_two_letters(on: Place) -> (Site, Position) {
    let site = Site::with(on, skipping()).await;
    site.knobs.picky.store(true, Ordering::Relaxed);
    // What is recorded of a letter has a position as well: it comes behind all of these.
    site.processors.pause(NAME).await.expect("pauses");
    let mut last = Position::START;
    for stream in ["a-1", "bad-1", "a-1", "bad-1", "bad-2", "bad-1", "a-1"] {
        last = site.append(stream, 1).await;
    }
    site.processors.resume(NAME).await.expect("goes on");
    site.wait(last).await;
    (site, last)
}

async fn letters(site: &Site) -> Vec<DeadLetter> {
    site.processors.dead_letters("tally").await.expect("are listed")
}

/// The types in the stream of what the generation recorded.
async fn records(site: &Site, generation: u64) -> Vec<String> {
    let stream = format!("$processor-{NAME}@{generation}").parse().expect("legal");
    let read = site.store.log().read_stream(ReadStream::of(Tenant::default(), stream));
    let events: Vec<_> = read.try_collect().await.expect("reads");
    events.iter().map(|event| event.event_type.to_string()).collect()
}

async fn none_left(site: &Site) {
    let settled = async {
        while !letters(site).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("all are settled");
    site.until("released", |info| info.status.dead_letters == 0).await;
}

pub(crate) async fn what_fails_is_kept_with_its_cause_and_holds_its_stream_alone(on: Place) {
    let (site, _) = with_two_letters(on).await;
    assert_eq!(site.rows().await, [row("a-1", 3)]);
    let found = letters(&site).await;
    let shown: Vec<_> = found
        .iter()
        .map(|l| (l.stream.as_str(), l.version.get(), l.position.get(), l.held, l.attempts, l.decided))
        .collect();
    assert_eq!(shown, [("bad-1", 1, 2, 2, 1, false), ("bad-2", 1, 5, 0, 1, false)]);
    assert!(found[0].reason.contains("it is bad") && found[0].first_failed_at <= found[0].last_failed_at);
    let event = site.processors.event_of(&found[0]).await.expect("reads").expect("is there");
    assert_eq!((event.id, &*event.event_type), (found[0].event_id, "x"));
    let statistics = site.processors.dead_letter_statistics(NAME).await.expect("counts");
    assert_eq!(
        (statistics.count, statistics.by_type["x"].count, statistics.by_type["x"].attempts),
        (2, 2, 2)
    );
    // Nothing else is recorded: the held ones are in the log anyway.
    assert_eq!(records(&site, 1).await, ["gesta.processor.parked"; 2]);
    let info = site.until("counted", |info| info.status.skipped == 4).await;
    assert_eq!(info.status.dead_letters, 2);
}

pub(crate) async fn a_replay_handles_the_event_and_what_is_held_behind_it_once(on: Place) {
    let (site, _) = with_two_letters(on).await;
    site.knobs.picky.store(false, Ordering::Relaxed);
    let first = letters(&site).await.remove(0);
    let count = site.processors.replay_dead_letters(NAME, Selection::Events(vec![first.event_id])).await;
    assert_eq!(count, Ok(1));
    site.until("released", |info| info.status.dead_letters == 1).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 3)]);
    // Later ones of the stream that is free are handled as they come, those of the other are held.
    let last = site.append("bad-1", 1).await;
    site.wait(last).await;
    let last = site.append("bad-2", 1).await;
    site.wait(last).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 4)]);
    assert_eq!(site.processors.replay_dead_letters(NAME, Selection::All).await, Ok(1));
    none_left(&site).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 4), row("bad-2", 2)]);
    assert_eq!(site.processors.replay_dead_letters(NAME, Selection::All).await, Ok(0));
    let site = site.restart().await;
    assert_eq!((letters(&site).await, site.info().status.dead_letters), (vec![], 0));
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 4), row("bad-2", 2)]);
}

pub(crate) async fn one_that_fails_again_is_a_dead_letter_again(on: Place) {
    let (site, _) = with_two_letters(on).await;
    let before = letters(&site).await;
    assert_eq!(site.processors.replay_dead_letters(NAME, Selection::All).await, Ok(2));
    let failed_twice = async {
        loop {
            let now = letters(&site).await;
            if now.iter().all(|letter| letter.attempts == 2 && !letter.decided) {
                return now;
            }
        }
    };
    let after = tokio::time::timeout(PATIENCE, failed_twice).await.expect("fails again");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.event_id, before.first_failed_at), (after.event_id, after.first_failed_at));
        assert!(after.last_failed_at > before.last_failed_at && after.held == before.held);
    }
    assert_eq!(site.rows().await, [row("a-1", 3)]);
    let site = site.restart().await;
    assert_eq!(letters(&site).await, after);
    site.knobs.picky.store(false, Ordering::Relaxed);
    site.processors.replay_dead_letters(NAME, Selection::All).await.expect("decided");
    none_left(&site).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 3), row("bad-2", 1)]);
}

pub(crate) async fn a_discard_gives_up_one_event_and_goes_on_behind_it(on: Place) {
    let (site, _) = with_two_letters(on).await;
    site.knobs.picky.store(false, Ordering::Relaxed);
    let why = Some("sent by mistake".to_owned());
    assert_eq!(site.processors.discard_dead_letters(NAME, Selection::All, why).await, Ok(2));
    none_left(&site).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 2)]);
    let stream = format!("$processor-{NAME}@1").parse().expect("legal");
    let read = ReadStream::of(Tenant::default(), stream).after(Version::new(2));
    let decisions: Vec<_> = site.store.log().read_stream(read).try_collect().await.expect("reads");
    assert_eq!(decisions.len(), 2);
    for decision in decisions {
        assert_eq!(&*decision.event_type, "gesta.processor.discarded");
        assert!(String::from_utf8_lossy(&decision.data).contains("sent by mistake"));
    }
}

pub(crate) async fn a_decision_outlives_a_restart_and_takes_effect_once(on: Place) {
    let (site, _) = with_two_letters(on).await;
    site.processors.pause(NAME).await.expect("pauses");
    site.until("paused", |info| info.status.state == ProcessorState::Paused).await;
    assert_eq!(site.processors.replay_dead_letters(NAME, Selection::All).await, Ok(2));
    assert!(letters(&site).await.iter().all(|letter| letter.decided));
    assert_eq!(
        site.processors.discard_dead_letters(NAME, Selection::All, None).await,
        Ok(0),
        "decided already"
    );
    site.knobs.picky.store(false, Ordering::Relaxed);
    let site = site.restart().await;
    assert_eq!(letters(&site).await.len(), 2);
    site.processors.resume(NAME).await.expect("goes on");
    none_left(&site).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 3), row("bad-2", 1)]);
}

/// A decision while it is paused takes effect on resuming, without another event.
pub(crate) async fn a_pause_is_kept_and_a_resume_obeys(on: Place) {
    let (site, _) = with_two_letters(on).await;
    site.knobs.picky.store(false, Ordering::Relaxed);
    site.processors.pause(NAME).await.expect("pauses");
    site.until("paused", |info| info.status.state == ProcessorState::Paused).await;
    site.processors.replay_dead_letters(NAME, Selection::All).await.expect("decided");
    let last = site.append("a-2", 1).await;
    assert_eq!(site.rows().await, [row("a-1", 3)]);
    site.processors.resume(NAME).await.expect("goes on");
    site.wait(last).await;
    none_left(&site).await;
    assert_eq!(site.rows().await, [row("a-1", 3), row("a-2", 1), row("bad-1", 3), row("bad-2", 1)]);
}

/// Another generation handles everything itself, so it has letters of its own.
pub(crate) async fn a_rebuild_that_takes_the_event_has_no_letters(on: Place) {
    let (site, last) = with_two_letters(on).await;
    site.knobs.picky.store(false, Ordering::Relaxed);
    site.processors.rebuild(NAME).await.expect("begins");
    site.until("swapped", |info| info.generation == 2 && info.rebuild.is_none()).await;
    site.wait(last).await;
    assert_eq!(letters(&site).await, []);
    assert_eq!(site.rows().await, [row("a-1", 3), row("bad-1", 3), row("bad-2", 1)]);
}

/// Remembers what it handled, and refuses the events of `bad` until it is mended.
#[derive(Default)]
struct Choosy {
    mended: AtomicBool,
    handled: std::sync::Mutex<Vec<String>>,
}

impl Choosy {
    fn handled(&self) -> Vec<String> {
        self.handled.lock().expect("not poisoned").clone()
    }
}

#[async_trait::async_trait]
impl gesta_core::EventHandler for Choosy {
    fn name(&self) -> &str {
        "choosy"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), gesta_core::HandlerError> {
        let bad = events.iter().any(|event| event.stream.category() == "bad");
        if bad && !self.mended.load(Ordering::SeqCst) {
            return Err(gesta_core::HandlerError::Permanent("never".into()));
        }
        let places = events.iter().map(|event| format!("{}@{}", event.stream, event.version));
        self.handled.lock().expect("not poisoned").extend(places);
        Ok(())
    }
}

pub(crate) async fn a_handler_gets_them_in_order_and_a_reset_forgets_them(on: Place) {
    let site = Site::with(on, skipping()).await;
    let choosy = Arc::new(Choosy::default());
    site.processors.add_handler(choosy.clone(), skipping()).await.expect("adds");
    site.append("bad-1", 2).await;
    let last = site.append("a-1", 1).await;
    site.processors.wait_for("choosy", last, PATIENCE).await.expect("goes on");
    assert_eq!(choosy.handled(), ["a-1@1"]);
    // The same event again, as an operator with a handler that is not mended.
    site.processors.reset("choosy").await.expect("resets");
    site.processors.wait_for("choosy", last, PATIENCE).await.expect("goes on");
    assert_eq!(site.processors.dead_letters("choosy").await.expect("lists")[0].attempts, 1);
    choosy.mended.store(true, Ordering::SeqCst);
    site.processors.reset("choosy").await.expect("resets");
    site.processors.wait_for("choosy", last, PATIENCE).await.expect("goes on");
    assert_eq!(site.processors.dead_letters("choosy").await, Ok(vec![]));
    assert_eq!(choosy.handled(), ["a-1@1", "a-1@1", "bad-1@1", "bad-1@2", "a-1@1"]);
}

/// A replay of the past is not the processor of that name: what it leaves out holds nobody up.
pub(crate) async fn what_a_replay_of_the_past_leaves_out_holds_nobody_up(on: Place) {
    let site = Site::with(on, skipping()).await;
    let choosy = Arc::new(Choosy::default());
    site.append("bad-1", 1).await;
    let log = site.store.log();
    let replay = gesta::Replay::of(log, Filter::of(Tenant::default())).with(skipping());
    replay.start(choosy.clone()).await.expect("starts").finish().await.expect("leaves it out");
    choosy.mended.store(true, Ordering::SeqCst);
    site.processors.add_handler(choosy.clone(), skipping()).await.expect("adds");
    let last = site.append("bad-1", 1).await;
    site.processors.wait_for("choosy", last, PATIENCE).await.expect("goes on");
    assert_eq!(choosy.handled(), ["bad-1@1", "bad-1@2"]);
    assert_eq!(site.processors.dead_letters("choosy").await, Ok(vec![]));
}
