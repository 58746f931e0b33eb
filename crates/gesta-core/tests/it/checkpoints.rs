//! Checkpoints in memory keep the laws, and measure leases on the clock they are given.

use std::{sync::Arc, time::Duration};

use gesta_conformance::checkpoint_laws;
use gesta_core::{CheckpointKey, CheckpointStore, ManualClock, MemoryCheckpoints, Tenant, Timestamp};

async fn memory() -> (Arc<dyn CheckpointStore>, ()) {
    (Arc::new(MemoryCheckpoints::default()), ())
}

checkpoint_laws!(memory);

#[tokio::test]
async fn a_lease_ends_when_its_time_is_over() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(0)));
    let store = MemoryCheckpoints::with_clock(clock.clone());
    let key = CheckpointKey::new(Tenant::default(), "p");
    let ttl = Duration::from_secs(30);
    let first = store.claim(&key, "a", ttl).await.expect("free").epoch;
    clock.advance(Duration::from_secs(29));
    assert!(store.claim(&key, "b", ttl).await.is_err());
    clock.advance(Duration::from_secs(1));
    assert!(store.claim(&key, "b", ttl).await.expect("free").epoch > first);
}
