//! When events were recorded.

use gesta_core::{Tenant, Timestamp};

use crate::{
    Backend,
    given::{append, event, events_of, one},
};

/// Within a stream the time of recording never goes back, and the reply tells what is stored.
pub async fn never_goes_back_within_a_stream(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let mut told = Vec::new();
    for n in 0..50 {
        told.push(append(&store, one("time-1", event(n))).await.last().recorded_at);
    }
    drop(store);
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    told.push(append(&store, one("time-1", event(50))).await.last().recorded_at);
    let stored: Vec<_> = events_of(&store, "time-1").await.iter().map(|event| event.recorded_at).collect();
    assert!(stored.is_sorted());
    assert_eq!(stored, told);
    assert!(stored[0] > Timestamp::from_micros(0));
}
