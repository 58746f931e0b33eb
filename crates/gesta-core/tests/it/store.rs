//! The in-memory store keeps every law but durability, which it does not claim.

use gesta_conformance::{Backend, MemoryBackend, conformance};
use gesta_core::{DurabilityClass, Tenant};

async fn memory() -> MemoryBackend {
    MemoryBackend::default()
}

conformance!(memory);

mod copies {
    use super::*;

    gesta_conformance::copy_laws!(memory);
}

#[tokio::test]
async fn memory_says_that_nothing_survives() {
    let store = memory().await.store(&Tenant::default()).await;
    assert_eq!(store.capabilities().durability, DurabilityClass::Volatile);
}
