//! What a backend shows to the laws.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_core::{EventStore, MemoryStore, StreamCatalog, Tenant};

/// One log of its own, fresh for every law, and the handles callers get of it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What a caller of this tenant holds. A store in the process serves all tenants with one handle, a client
    /// over a network has one with the tenant's key.
    async fn store(&self, tenant: &Tenant) -> Arc<dyn EventStore>;

    /// The same caller's list of streams.
    async fn catalog(&self, tenant: &Tenant) -> Arc<dyn StreamCatalog>;

    /// Closes the store and opens it again over the same data; handles from before are dead. Answers `false`
    /// where nothing outlives the handle, and does nothing then.
    async fn reopen(&self) -> bool {
        false
    }

    /// Whether this is an edge: a handle serves one tenant alone and refuses the streams of Gesta itself.
    fn is_edge(&self) -> bool {
        false
    }
}

/// The in-memory store under the laws.
///
/// ```
/// # async fn law(_: &dyn gesta_conformance::Backend) {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// law(&gesta_conformance::MemoryBackend::default()).await;
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryBackend(pub(crate) Arc<MemoryStore>);

#[async_trait]
impl Backend for MemoryBackend {
    async fn store(&self, _: &Tenant) -> Arc<dyn EventStore> {
        self.0.clone()
    }

    async fn catalog(&self, _: &Tenant) -> Arc<dyn StreamCatalog> {
        self.0.clone()
    }
}
