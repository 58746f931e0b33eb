//! What every store takes at least, and refuses beyond.

use gesta_core::{AppendBatch, AppendError, ExpectedVersion, Invalid, Metadata, NewEvent, Tenant, limits};

use crate::{
    Backend,
    given::{append, event, events, events_of, head, one, refused, stream},
};

/// A JSON text of exactly `bytes` bytes.
fn json_of(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

async fn refuses(backend: &dyn Backend, batch: AppendBatch, fits: impl FnOnce(&Invalid) -> bool) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let error = refused(&store, batch).await;
    assert!(matches!(&error, AppendError::Invalid(invalid) if fits(invalid)), "{error}");
    assert_eq!(head(&store).await, before);
}

/// Five hundred events are a batch, one more is refused.
pub async fn five_hundred_events_are_taken_and_no_more(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let most = limits::BATCH_EVENTS as u64;
    let batch = |count| AppendBatch::to(stream("most-1"), ExpectedVersion::Any, events(count));
    assert_eq!(append(&store, batch(most)).await.events.len() as u64, most);
    refuses(backend, batch(most + 1), |invalid| matches!(invalid, Invalid::TooManyEvents { .. })).await;
    assert_eq!(events_of(&store, "most-1").await.len() as u64, most);
}

/// An event of 1 MiB comes back to the byte, one byte more is refused.
pub async fn an_event_of_one_mebibyte_is_taken_and_no_more(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let most = json_of(limits::EVENT_DATA_BYTES);
    append(&store, one("large-1", NewEvent::new("large", most.clone()))).await;
    assert!(events_of(&store, "large-1").await[0].data == most, "the data came back changed");
    let larger = NewEvent::new("large", json_of(limits::EVENT_DATA_BYTES + 1));
    refuses(backend, one("large-1", larger), |invalid| matches!(invalid, Invalid::DataTooLarge { .. })).await;
}

/// A batch of 8 MiB of data and metadata is taken, one byte more is refused.
pub async fn a_batch_of_eight_mebibytes_is_taken_and_no_more(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let filled = |spare: usize| {
        let mut left = limits::BATCH_BYTES + spare;
        let mut batch = Vec::new();
        while left > 0 {
            let bare = NewEvent::new("large", "");
            let room = left - bare.stored_metadata().len();
            // Never leave a rest that is too small to be an event.
            let take = if room > limits::EVENT_DATA_BYTES { limits::EVENT_DATA_BYTES - 512 } else { room };
            left = room - take;
            batch.push(NewEvent { data: json_of(take).into(), ..bare });
        }
        AppendBatch::to(stream("large-1"), ExpectedVersion::Any, batch)
    };
    refuses(backend, filled(1), |invalid| matches!(invalid, Invalid::BatchTooLarge { .. })).await;
    let batch = filled(0);
    let count = batch.events().count();
    assert_eq!(append(&store, batch).await.events.len(), count);
}

/// Metadata of 64 KiB is taken, one byte more is refused.
pub async fn metadata_of_64_kibibytes_is_taken_and_no_more(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let bare = event(1).with_metadata(Metadata::default().with("note", ""));
    let room = limits::METADATA_BYTES - bare.stored_metadata().len();
    let noted = |bytes: usize| {
        bare.clone().with_id(event(0).id).with_metadata(Metadata::default().with("note", &"x".repeat(bytes)))
    };
    append(&store, one("note-1", noted(room))).await;
    let read = events_of(&store, "note-1").await;
    assert_eq!(read[0].metadata.len(), limits::METADATA_BYTES);
    refuses(backend, one("note-1", noted(room + 1)), |invalid| {
        matches!(invalid, Invalid::MetadataTooLarge { .. })
    })
    .await;
}

/// Nothing at all, an id twice, an illegal type, content type or schema version: each is refused by its name.
pub async fn what_is_malformed_is_refused_by_its_name(backend: &dyn Backend) {
    let to = |events: Vec<NewEvent>| AppendBatch::to(stream("bad-1"), ExpectedVersion::Any, events);
    let twice = event(1);
    refuses(backend, to(vec![]), |i| *i == Invalid::Empty).await;
    refuses(backend, AppendBatch { appends: vec![], ..to(vec![]) }, |i| *i == Invalid::Empty).await;
    refuses(backend, to(vec![twice.clone(), twice]), |i| matches!(i, Invalid::IdTwice { .. })).await;
    for name in ["", "a\nb", &"x".repeat(limits::EVENT_TYPE_BYTES + 1)] {
        let event = NewEvent { event_type: name.into(), ..event(1) };
        refuses(backend, to(vec![event]), |i| matches!(i, Invalid::EventType { .. })).await;
    }
    for media in ["", "a\u{7f}b", &"x".repeat(limits::CONTENT_TYPE_BYTES + 1)] {
        let event = NewEvent { content_type: media.into(), ..event(1) };
        refuses(backend, to(vec![event]), |i| matches!(i, Invalid::ContentType { .. })).await;
    }
    let unversioned = NewEvent { schema_version: 0, ..event(1) };
    refuses(backend, to(vec![unversioned]), |i| matches!(i, Invalid::SchemaVersion { .. })).await;
}
