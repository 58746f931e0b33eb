//! Reads of one stream: bounds, direction and limit against a plain list.

use gesta_core::{AppendBatch, ExpectedVersion, ReadStream, RecordedEvent, Tenant, Version};

use crate::{
    Backend,
    given::{append, event, events, events_of, one, read_stream, stream},
};

/// A stream nobody wrote to is empty, not an error, in both directions.
pub async fn a_stream_nobody_wrote_to_is_empty(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    append(&store, one("read-2", event(1))).await;
    let read = ReadStream::of(Tenant::default(), stream("read-1"));
    assert!(read_stream(&store, read.clone()).await.is_empty());
    assert!(read_stream(&store, read.backwards().after(Version::new(3)).limit(5)).await.is_empty());
}

/// Every choice of bounds, direction and limit over a stream of twelve equals the same choice over a list.
pub async fn bounds_direction_and_limit_agree_with_a_list(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    for _ in 0..6 {
        append(&store, AppendBatch::to(stream("read-1"), ExpectedVersion::Any, events(2))).await;
        append(&store, one("read-2", event(0))).await;
    }
    let all = events_of(&store, "read-1").await;
    for after in [0, 1, 5, 11, 12, 13, u64::MAX] {
        for up_to in [0, 1, 6, 12, 40, u64::MAX] {
            for limit in [0, 1, 5, 12, usize::MAX] {
                let read = ReadStream::of(Tenant::default(), stream("read-1"))
                    .after(Version::new(after))
                    .up_to(Version::new(up_to))
                    .limit(limit);
                let within = |e: &&RecordedEvent| after < e.version.get() && e.version.get() <= up_to;
                let ids = |read: Vec<RecordedEvent>| read.iter().map(|e| e.id).collect::<Vec<_>>();
                let forwards: Vec<_> = all.iter().filter(within).take(limit).map(|e| e.id).collect();
                assert_eq!(ids(read_stream(&store, read.clone()).await), forwards, "{read:?}");
                let backwards: Vec<_> = all.iter().rev().filter(within).take(limit).map(|e| e.id).collect();
                let read = read.backwards();
                assert_eq!(ids(read_stream(&store, read.clone()).await), backwards, "{read:?}");
            }
        }
    }
}

/// A stream longer than any page is read whole, forwards and backwards.
pub async fn a_long_stream_is_read_whole(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    for _ in 0..5 {
        append(&store, AppendBatch::to(stream("long-1"), ExpectedVersion::Any, events(500))).await;
    }
    let versions = |read: Vec<RecordedEvent>| read.iter().map(|e| e.version.get()).collect::<Vec<_>>();
    let read = ReadStream::of(Tenant::default(), stream("long-1"));
    assert_eq!(versions(read_stream(&store, read.clone()).await), (1..=2_500).collect::<Vec<_>>());
    let newest = read_stream(&store, read.backwards().limit(1_700)).await;
    assert_eq!(versions(newest), (801..=2_500).rev().collect::<Vec<_>>());
}
