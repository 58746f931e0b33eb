//! The laws of a log that takes events as another one recorded them.
//!
//! The source is the in-memory store, with everything in it that a copy could get wrong; every law copies it, or a
//! part of it, and compares envelopes, so that a field which is lost or spelled otherwise shows.

use std::sync::Arc;

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, CopyError, CopyTarget, EventStore, ExpectedVersion, Filter, MemoryStore, Metadata, NewEvent,
    Position, ReadAll, ReadStream, RecordedEvent, Tenant, Timestamp, Version, encode_recorded, limits,
};
use uuid::Uuid;

use crate::{Backend, MemoryBackend, given::tenant};

/// A backend whose log takes recorded events. Its store holds every tenant.
pub trait CopyBackend: Backend {
    /// The log to copy into.
    fn target(&self) -> Arc<dyn CopyTarget>;
}

impl CopyBackend for MemoryBackend {
    fn target(&self) -> Arc<dyn CopyTarget> {
        self.0.clone()
    }
}

/// The log for reads and appends.
async fn log(backend: &impl CopyBackend) -> Arc<dyn EventStore> {
    backend.store(&Tenant::default()).await
}

/// Everything in a log, oldest first.
async fn everything(store: &dyn EventStore) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::of(Filter::everything())).try_collect().await.expect("reads")
}

/// The canonical bytes, which leave nothing out.
fn envelopes(events: &[RecordedEvent]) -> Vec<Vec<u8>> {
    let envelope = |event| {
        let mut bytes = Vec::new();
        encode_recorded(&mut bytes, event);
        bytes
    };
    events.iter().map(envelope).collect()
}

/// A log with everything in it that a copy could get wrong: several tenants and streams, ids of all sorts, one id in two
/// tenants, bytes that are no text, metadata of every kind.
async fn recorded() -> Vec<RecordedEvent> {
    let source = MemoryStore::new();
    let odd = r#"{"correlation_id":"a\"b","causation_id":"c","user_id":"\u0000","source":"s","subject":"ä","priority":1,
        "occurred_at":"2014-10-22T11:15:41.000001Z","traceparent":"00-a","big":123456789012345678901234567890,"nested":{"b":[ 1 ]}}"#;
    for number in 0..40u64 {
        let id = if number % 3 == 0 { Uuid::now_v7() } else { Uuid::from_u128(u128::from(number) + 1) };
        let mut event = NewEvent::new("thing.happened", number.to_le_bytes().to_vec()).with_id(id);
        if number % 4 == 0 {
            event.metadata = Metadata::from_json(odd.as_bytes()).expect("legal");
        }
        (event.schema_version, event.content_type) = (number as u32 + 1, "application/x-odd".into());
        let stream = format!("thing-{}", number % 5).parse().expect("legal");
        let of = if number % 7 == 0 { tenant("other") } else { Tenant::default() };
        let batch = AppendBatch::to(stream, ExpectedVersion::Any, [event]).of(of);
        source.append(batch).await.expect("appends");
    }
    let twin = NewEvent::new("thing.happened", "").with_id(Uuid::from_u128(2));
    let stream = "thing-1".parse().expect("legal");
    let batch = AppendBatch::to(stream, ExpectedVersion::Any, [twin]).of(tenant("twin"));
    source.append(batch).await.expect("the id is free there");
    everything(&source).await
}

/// Takes the events, in runs of this many.
async fn copy(target: &Arc<dyn CopyTarget>, events: &[RecordedEvent], run: usize) {
    for chunk in events.chunks(run) {
        let head = target.append_recorded(chunk.to_vec()).await.expect("it goes on where it ended");
        assert_eq!(Some(head), chunk.last().map(|last| last.position));
    }
}

/// What was copied is what was recorded, to the byte, whatever the runs, and after a restart.
///
/// Runs of one and of seven cut through streams and tenants alike: no place may depend on where a run ended.
pub async fn a_copy_is_equal_to_the_byte(backend: impl CopyBackend) {
    let events = recorded().await;
    copy(&backend.target(), &events[..1], 1).await;
    copy(&backend.target(), &events[1..], 7).await;
    assert_eq!(envelopes(&everything(&*log(&backend).await).await), envelopes(&events));
    let head = log(&backend).await.head().await.expect("tells").position;
    assert_eq!(head.get(), events.len() as u64);
    if backend.reopen().await {
        assert_eq!(envelopes(&everything(&*log(&backend).await).await), envelopes(&events));
    }
}

/// What was copied is found by stream and by correlation, as what was appended.
///
/// An index that is derived beside the log has to take in copies as well, and to have them after a restart.
pub async fn a_copy_is_found_by_stream_and_correlation(backend: impl CopyBackend) {
    let events = recorded().await;
    copy(&backend.target(), &events, 11).await;
    for again in [false, true] {
        if again && !backend.reopen().await {
            break;
        }
        for (of, stream) in
            [(Tenant::default(), "thing-2"), (tenant("other"), "thing-2"), (tenant("none"), "thing-2")]
        {
            let read = ReadStream::of(of.clone(), stream.parse().expect("legal"));
            let found: Vec<_> = log(&backend).await.read_stream(read).try_collect().await.expect("reads");
            let wanted = events.iter().filter(|event| event.tenant == of && event.stream.as_str() == stream);
            assert_eq!(found, wanted.cloned().collect::<Vec<_>>(), "{of}/{stream}");
        }
        let filter = Filter {
            tenant: Some(Tenant::default()),
            correlation_id: Some("a\"b".into()),
            ..Filter::everything()
        };
        let found: Vec<_> =
            log(&backend).await.read_all(ReadAll::of(filter.clone())).try_collect().await.expect("reads");
        assert_eq!(found, events.iter().filter(|event| filter.accepts(event)).cloned().collect::<Vec<_>>());
        assert!(found.len() > 5, "{}", found.len());
    }
}

/// Ids, versions and positions go on behind a copy: a known id is a retry, a stale version a conflict.
///
/// So whoever did not get an answer from the source may ask the target, and is told the truth.
pub async fn appends_go_on_behind_a_copy(backend: impl CopyBackend) {
    let events = recorded().await;
    copy(&backend.target(), &events, 100).await;
    let last = events.iter().rfind(|event| event.tenant == Tenant::default()).expect("some");
    let again = NewEvent {
        id: last.id,
        event_type: last.event_type.clone(),
        schema_version: last.schema_version,
        content_type: last.content_type.clone(),
        data: last.data.clone(),
        metadata: last.metadata().expect("legal"),
    };
    let retry = AppendBatch::to(last.stream.clone(), ExpectedVersion::Any, [again.clone()]);
    let settled = log(&backend).await.append(retry).await.expect("a retry");
    assert!(settled.repeated);
    assert_eq!(settled.last().position, last.position);

    let other = NewEvent { data: "other".into(), ..again };
    let taken = AppendBatch::to(last.stream.clone(), ExpectedVersion::Any, [other]);
    assert!(log(&backend).await.append(taken).await.is_err(), "the id is taken");

    let stale = ExpectedVersion::Exact(Version::new(last.version.get() - 1));
    let next = NewEvent::new("thing.happened", "next");
    let conflict = AppendBatch::to(last.stream.clone(), stale, [next.clone()]);
    assert!(log(&backend).await.append(conflict).await.is_err(), "the version is stale");
    let fits = AppendBatch::to(last.stream.clone(), ExpectedVersion::Exact(last.version), [next]);
    let appended = log(&backend).await.append(fits).await.expect("goes on").last();
    assert_eq!(appended.position.get(), events.len() as u64 + 1);
    assert!(appended.recorded_at >= last.recorded_at);
}

/// Whatever does not go on where the log ends is refused with what is wrong, and nothing of it is stored: a gap, an
/// overlap, another version, an id twice, an earlier time.
///
/// Each is tried in the middle of a run whose other events fit, since those are what could be left behind.
pub async fn what_does_not_fit_is_refused(backend: impl CopyBackend) {
    let events = recorded().await;
    let target = backend.target();
    copy(&target, &events[..20], 20).await;
    let at = |change: &dyn Fn(&mut RecordedEvent)| {
        let mut next = events[20..25].to_vec();
        change(&mut next[2]);
        next
    };
    let gap = target.append_recorded(events[21..25].to_vec()).await;
    assert!(
        matches!(&gap, Err(CopyError::Position { head, given }) if (head.get(), given.get()) == (20, 22)),
        "{gap:?}"
    );
    let overlap = target.append_recorded(events[19..25].to_vec()).await;
    assert!(matches!(&overlap, Err(CopyError::Position { .. })), "{overlap:?}");
    let hole = target.append_recorded(at(&|event| event.position = event.position.next())).await;
    assert!(matches!(&hole, Err(CopyError::Position { .. })), "{hole:?}");
    for version in [0, 1, 1_000] {
        let other = target.append_recorded(at(&|event| event.version = Version::new(version))).await;
        assert!(
            matches!(&other, Err(CopyError::Version { given, .. }) if given.get() == version),
            "{other:?}"
        );
    }
    for twice in [&events[20], &events[1]] {
        let twice = |event: &mut RecordedEvent| {
            (event.id, event.tenant, event.stream) =
                (twice.id, twice.tenant.clone(), "thing-new".parse().expect("legal"));
            event.version = Version::new(1);
        };
        let refused = target.append_recorded(at(&twice)).await;
        assert!(matches!(&refused, Err(CopyError::IdTaken { .. })), "{refused:?}");
    }
    for earlier in [1, events[0].recorded_at.as_micros() - 1] {
        let mut next = at(&|event| event.recorded_at = Timestamp::from_micros(earlier));
        let refused = target.append_recorded(next.clone()).await;
        assert!(matches!(&refused, Err(CopyError::Time { .. })), "{refused:?}");
        next = vec![RecordedEvent { recorded_at: Timestamp::from_micros(earlier), ..events[20].clone() }];
        let refused = target.append_recorded(next).await;
        assert!(matches!(&refused, Err(CopyError::Time { .. })), "{refused:?}");
    }
    assert_eq!(everything(&*log(&backend).await).await, events[..20], "a refusal has left something");
    copy(&target, &events[20..], 50).await;
    assert_eq!(everything(&*log(&backend).await).await, events);
}

/// What no store takes is not copied either, and too much at a time is refused.
///
/// Nothing at all is no error: a copy that has caught up has nothing to hand over.
pub async fn the_limits_hold_for_copies(backend: impl CopyBackend) {
    let events = recorded().await;
    let target = backend.target();
    let first = |change: &dyn Fn(&mut RecordedEvent)| {
        let mut event = events[0].clone();
        change(&mut event);
        vec![event]
    };
    let refused = [
        first(&|event| event.event_type = "".into()),
        first(&|event| event.content_type = "a\nb".into()),
        first(&|event| event.schema_version = 0),
        first(&|event| event.data = vec![b'1'; limits::EVENT_DATA_BYTES + 1].into()),
        first(&|event| event.metadata = "[]".into()),
        first(&|event| {
            event.metadata = format!("{{\"x\":\"{}\"}}", "x".repeat(limits::METADATA_BYTES)).into()
        }),
        vec![events[0].clone(); limits::COPY_EVENTS + 1],
        vec![RecordedEvent { data: vec![b'1'; limits::EVENT_DATA_BYTES].into(), ..events[0].clone() }; 9],
    ];
    for (case, events) in refused.into_iter().enumerate() {
        assert!(target.append_recorded(events).await.is_err(), "case {case} was taken");
    }
    assert_eq!(target.append_recorded(Vec::new()).await.expect("nothing to do"), Position::START);
    assert!(everything(&*log(&backend).await).await.is_empty());
}

/// A copy that goes on while others append notices it and overwrites nothing.
///
/// Both logs have an event at the same position then, and they differ: nothing can bring them together again.
pub async fn somebody_elses_append_stops_a_copy(backend: impl CopyBackend) {
    let events = recorded().await;
    copy(&backend.target(), &events[..10], 10).await;
    let theirs = NewEvent::new("thing.happened", "theirs");
    let batch = AppendBatch::to("thing-theirs".parse().expect("legal"), ExpectedVersion::Any, [theirs]);
    log(&backend).await.append(batch).await.expect("appends");
    let refused = backend.target().append_recorded(events[10..20].to_vec()).await;
    assert!(matches!(&refused, Err(CopyError::Position { head, .. }) if head.get() == 11), "{refused:?}");
    assert_eq!(everything(&*log(&backend).await).await.len(), 11);
}

/// One test for each law of a log that takes recorded events; `$fresh` is an async function that answers with a
/// [`CopyBackend`](crate::copies::CopyBackend) of its own.
///
/// ```
/// # mod laws {
/// use gesta_conformance::{MemoryBackend, copy_laws};
/// async fn memory() -> MemoryBackend {
///     MemoryBackend::default()
/// }
/// copy_laws!(memory);
/// # }
/// ```
#[macro_export]
macro_rules! copy_laws {
    ($fresh:expr) => {
        $crate::copy_laws! { @ $fresh;
            a_copy_is_equal_to_the_byte a_copy_is_found_by_stream_and_correlation appends_go_on_behind_a_copy
            what_does_not_fit_is_refused the_limits_hold_for_copies somebody_elses_append_stops_a_copy
        }
    };
    (@ $fresh:expr; $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::run(async { $crate::copies::$law(($fresh)().await).await });
        }
    )*};
}
