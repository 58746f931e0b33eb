//! Reads of the log: bounds, direction and limit against a plain list.

use futures_util::StreamExt;
use gesta_core::{AppendBatch, ExpectedVersion, Filter, Position, ReadAll, RecordedEvent, Tenant};

use crate::{
    Backend,
    given::{append, event, events, head, log_after, one, read_all, stream, tenant},
};

/// Every choice of bounds, direction, limit and filter over a log of fifteen equals the same choice over a list.
pub async fn bounds_direction_and_limit_agree_with_a_list(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let start = head(&store).await;
    for n in 0..5 {
        append(&store, AppendBatch::to(stream("log-1"), ExpectedVersion::Any, events(2))).await;
        append(&store, one(&format!("odd-{n}"), event(n))).await;
    }
    let all = log_after(&store, start).await;
    assert_eq!(all.len(), 15);
    let from = start.get();
    for filter in [Filter::of(Tenant::default()), Filter::of(Tenant::default()).categories(["odd"])] {
        for after in [0, 1, 7, 14, 15, 16].map(|n| from + n) {
            for up_to in [from, from + 1, from + 8, from + 15, from + 40, u64::MAX] {
                for limit in [0, 1, 4, usize::MAX] {
                    let read = ReadAll::of(filter.clone())
                        .after(Position::new(after))
                        .up_to(Position::new(up_to))
                        .limit(limit);
                    let passes = |e: &&RecordedEvent| {
                        after < e.position.get() && e.position.get() <= up_to && filter.accepts(e)
                    };
                    let places =
                        |read: Vec<RecordedEvent>| read.iter().map(|e| e.position).collect::<Vec<_>>();
                    let forwards: Vec<_> =
                        all.iter().filter(passes).take(limit).map(|e| e.position).collect();
                    assert_eq!(places(read_all(&store, read.clone()).await), forwards, "{read:?}");
                    let backwards: Vec<_> =
                        all.iter().rev().filter(passes).take(limit).map(|e| e.position).collect();
                    let read = read.backwards();
                    assert_eq!(places(read_all(&store, read.clone()).await), backwards, "{read:?}");
                }
            }
        }
    }
}

/// A log longer than any page is read whole, forwards and backwards, through a filter that passes little of it.
pub async fn a_long_log_is_read_whole(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let start = head(&store).await;
    for n in 0..6 {
        append(&store, AppendBatch::to(stream("long-1"), ExpectedVersion::Any, events(400))).await;
        append(&store, one("rare-1", event(n))).await;
    }
    assert_eq!(log_after(&store, start).await.len(), 6 * 401);
    let rare = ReadAll::of(Filter::of(Tenant::default()).streams(["rare-1"]));
    let forwards = read_all(&store, rare.clone()).await;
    let mut backwards = read_all(&store, rare.backwards()).await;
    backwards.reverse();
    assert_eq!(forwards.len(), 6);
    assert_eq!(forwards, backwards);
}

/// A tenant that owns little of a log reads all of its own and ends.
pub async fn a_small_tenant_in_a_large_log_reads_its_own(backend: &dyn Backend) {
    let small = tenant("small");
    let (large, of_small) = (backend.store(&Tenant::default()).await, backend.store(&small).await);
    for n in 0..3 {
        append(&of_small, one("few-1", event(n)).of(small.clone())).await;
        append(&large, AppendBatch::to(stream("many-1"), ExpectedVersion::Any, events(500))).await;
    }
    let read = read_all(&of_small, ReadAll::of(Filter::of(small))).await;
    assert_eq!(read.len(), 3);
}

/// A reader that stops half-way hurts nobody.
pub async fn a_read_may_be_left_half_way(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let start = head(&store).await;
    append(&store, AppendBatch::to(stream("half-1"), ExpectedVersion::Any, events(300))).await;
    for _ in 0..20 {
        let mut reading = store.read_all(ReadAll::of(Filter::of(Tenant::default())).after(start));
        for _ in 0..10 {
            reading.next().await.expect("there are more").expect("readable");
        }
    }
    append(&store, one("half-1", event(1))).await;
    assert_eq!(log_after(&store, start).await.len(), 301);
}
