//! A log that was copied into a store of the other kind: what was derived is built anew, what was decided holds.

use futures_util::TryStreamExt;
use gesta::CarriedCheckpoints;
use gesta_core::{CopyTarget, ReadAll};

use super::*;

/// A store of the other kind, empty.
async fn elsewhere(from: &Place) -> Place {
    let other = match from {
        Place::Folder(_) | Place::Apart(..) => Place::database,
        Place::Database(_) => Place::folder,
    };
    tokio::task::spawn_blocking(other).await.expect("made")
}

/// Copies log and checkpoints.
async fn copy(from: &Opened, to: &Opened) {
    let everything = ReadAll::of(Filter::everything());
    let events: Vec<RecordedEvent> = from.log().read_all(everything).try_collect().await.expect("reads");
    let copied = match to {
        Opened::File(store) | Opened::Apart(store, _) => store.append_recorded(events).await,
        Opened::Postgres(store) => store.append_recorded(events).await,
    };
    copied.expect("an empty store takes them");
    let records = from.checkpoints().list(None, usize::MAX).await.expect("lists");
    let mut carried = CarriedCheckpoints::default();
    records.iter().try_for_each(|record| carried.look(record)).expect("legible");
    for record in records.into_iter().filter_map(|record| carried.take(record)) {
        to.checkpoints().adopt(record).await.expect("nobody holds it");
    }
}

/// The site, stopped, and the same one on a copy.
async fn moved(site: Site) -> Site {
    site.processors.shutdown().await;
    let place = elsewhere(&site.place).await;
    let target = place.open().await;
    copy(&site.store, &target).await;
    target.close().await;
    drop(target);
    Site::open(place, site.knobs.clone(), site.options.clone()).await
}

pub(crate) async fn a_projection_is_filled_anew_where_the_log_was_copied_to(on: Place) {
    let site = Site::new(on).await;
    site.append("a-1", 30).await;
    let position = site.append("b-1", 20).await;
    site.wait(position).await;
    let site = moved(site).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 30), row("b-1", 20)]);
    let info = site.until("running", |info| info.status.state == ProcessorState::Running).await;
    assert_eq!((info.generation, info.previous), (2, None));

    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 31), row("b-1", 20)]);
    site.processors.shutdown().await;
}

pub(crate) async fn what_was_paused_stays_paused_where_the_log_was_copied_to(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 5).await;
    site.wait(position).await;
    site.processors.pause(NAME).await.expect("pauses");
    let site = moved(site).await;
    site.until("paused", |info| info.status.state == ProcessorState::Paused).await;
    site.processors.resume(NAME).await.expect("resumes");
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 5)]);
    site.processors.shutdown().await;
}
