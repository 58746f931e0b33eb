//! Law 5: positions are 1, 2, 3 … in the order appends took effect.

use std::sync::Arc;

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Filter, ReadAll, Tenant};

use crate::{
    Backend,
    given::{append, event, events, head, log_after, one, read_all, refused, stream, tenant},
};

/// Concurrent appends of two tenants fill the log without a gap; refused ones take no place.
pub async fn two_tenants_fill_one_log_without_a_gap(backend: &dyn Backend) {
    let tenants = [Tenant::default(), tenant("other")];
    let stores = [backend.store(&tenants[0]).await, backend.store(&tenants[1]).await];
    if !stores[0].capabilities().dense_positions {
        return positions_rise_within_a_stream(&stores[0]).await;
    }
    let before = head(&stores[0]).await;
    let writers: Vec<_> = (0..8)
        .map(|writer: usize| {
            let (store, whose) = (stores[writer % 2].clone(), tenants[writer % 2].clone());
            tokio::spawn(async move {
                for round in 0..10 {
                    let to = stream(&format!("dense-{}", round % 3));
                    append(
                        &store,
                        AppendBatch::to(to.clone(), ExpectedVersion::Any, events(2)).of(whose.clone()),
                    )
                    .await;
                    refused(
                        &store,
                        AppendBatch::to(to, ExpectedVersion::NoStream, events(1)).of(whose.clone()),
                    )
                    .await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("the writer finishes");
    }
    let mut positions = Vec::new();
    for (store, whose) in stores.iter().zip(&tenants) {
        let read = read_all(store, ReadAll::of(Filter::of(whose.clone())).after(before)).await;
        assert!(read.iter().all(|event| event.tenant == *whose));
        let own: Vec<_> = read.iter().map(|event| event.position.get()).collect();
        assert!(own.is_sorted() && own.len() == 80, "{own:?}");
        positions.extend(own);
    }
    positions.sort_unstable();
    let wanted: Vec<_> = (1..=160).map(|n| before.get() + n).collect();
    assert_eq!(positions, wanted);
    assert_eq!(head(&stores[1]).await.get(), before.get() + 160);
}

/// What is left of the law where positions have gaps, and the store says so.
async fn positions_rise_within_a_stream(store: &Arc<dyn EventStore>) {
    let mut last = gesta_core::Position::START;
    for n in 0..20 {
        let next = append(store, one("dense-1", event(n))).await.last().position;
        assert!(last < next);
        last = next;
    }
}

/// An append that was answered before another was sent stands before it, over all streams.
pub async fn an_earlier_reply_has_a_lower_position(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let mut placed = Vec::new();
    for n in 0..30 {
        placed.push(append(&store, one(&format!("order-{}", n % 4), event(n))).await.last().position);
    }
    assert!(placed.is_sorted());
    let read: Vec<_> = log_after(&store, before).await.iter().map(|event| event.position).collect();
    assert_eq!(read, placed);
}

/// Within a stream versions and positions rise together.
pub async fn versions_and_positions_rise_together(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    for n in 0..20 {
        append(&store, AppendBatch::to(stream(&format!("rise-{}", n % 3)), ExpectedVersion::Any, events(2)))
            .await;
    }
    let mut versions = std::collections::HashMap::new();
    for event in log_after(&store, before).await {
        let next = versions.entry(event.stream).or_insert(0);
        *next += 1;
        assert_eq!(event.version.get(), *next);
    }
}

/// The log goes on where it was when the store was closed, and it is the same log.
pub async fn the_log_goes_on_after_a_reopening(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    append(&store, AppendBatch::to(stream("dense-1"), ExpectedVersion::Any, events(7))).await;
    let before = store.head().await.expect("readable");
    drop(store);
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    assert_eq!(store.head().await.expect("readable"), before);
    let next = append(&store, one("dense-2", event(8))).await.last().position;
    assert!(next > before.position);
    if store.capabilities().dense_positions {
        assert_eq!(next, before.position.next());
    }
}
