//! Servers to test against.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gesta_client::{ApiKey, Client, HttpStore};
use gesta_core::{EventStore, StreamCatalog, Tenant};
use gesta_server::{Backend as ServerBackend, Config, Running, auth::keys, start_on};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex};

use crate::database::{Database, database};

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a free port, with all it needs in a folder of its own.
pub(crate) struct Served {
    folder: TempDir,
    store: Store,
    running: Mutex<Option<Running>>,
    keys: Option<Mutex<HashMap<Tenant, ApiKey>>>,
}

/// What it stands on.
enum Store {
    Memory,
    File,
    Postgres(Database),
}

impl Served {
    /// In memory and without keys.
    pub(crate) async fn open() -> Self {
        Self::start(Store::Memory, false).await
    }

    /// In memory, with a key for each tenant.
    pub(crate) async fn memory() -> Self {
        Self::start(Store::Memory, true).await
    }

    /// On the file store, with a key for each tenant.
    pub(crate) async fn file() -> Self {
        Self::start(Store::File, true).await
    }

    /// On a PostgreSQL database of its own, with a key for each tenant.
    pub(crate) async fn postgres() -> Self {
        Self::start(Store::Postgres(database().await), true).await
    }

    async fn start(store: Store, with_keys: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = with_keys.then(|| Mutex::new(HashMap::new()));
        let served = Self { folder, store, running: Mutex::new(None), keys };
        if let Some(known) = &served.keys {
            // Those the laws use are made before the start: a running server notices a new one a little later.
            for tenant in ["default", "other", "small", "a", "b", "north", "south"] {
                let tenant: Tenant = tenant.parse().expect("legal");
                known.lock().await.insert(tenant.clone(), served.make_key(&tenant));
            }
        }
        *served.running.lock().await = Some(served.run().await);
        served
    }

    fn keys_file(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn make_key(&self, tenant: &Tenant) -> ApiKey {
        let made = keys::make(&self.keys_file(), tenant, keys::Granted::All).expect("a key");
        made.key.parse().expect("a key")
    }

    async fn run(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let backend = match &self.store {
            Store::Memory => Ok(ServerBackend::memory()),
            Store::File => {
                ServerBackend::file(self.folder.path().join("data"), gesta_file::Options::default()).await
            }
            Store::Postgres(database) => {
                let options = gesta_postgres::Options::default().connections(4);
                ServerBackend::postgres(&database.url(), options).await
            }
        };
        let backend = backend.expect("a store");
        let keys_file = self.keys.is_some().then(|| self.keys_file());
        let mut config = Config::default();
        config.keys_file = keys_file;
        start_on(listener, backend, config).await.expect("a server")
    }

    /// Where it listens.
    pub(crate) async fn url(&self) -> String {
        self.running.lock().await.as_ref().expect("it runs").url()
    }

    /// A client of a tenant.
    pub(crate) async fn client(&self, tenant: &Tenant) -> Client {
        let client = Client::new(&self.url().await).expect("a url");
        match &self.keys {
            None => client.for_tenant(tenant.clone()),
            Some(known) => {
                let mut known = known.lock().await;
                if !known.contains_key(tenant) {
                    let key = self.make_key(tenant);
                    known.insert(tenant.clone(), key.clone());
                    accepted(&client.clone().with_key(key)).await;
                }
                client.with_key(known[tenant].clone()).for_tenant(tenant.clone())
            }
        }
    }

    /// Stops it in good order.
    pub(crate) async fn stop(&self) {
        let running = self.running.lock().await.take();
        running.expect("it runs").stop().await.expect("a good end");
    }
}

/// Waits until the server knows a key made after its start.
async fn accepted(client: &Client) {
    let begun = Instant::now();
    while client.get::<gesta_api::LogInfo>("/api/v1/log/head").await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the key is not noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[async_trait]
impl gesta_conformance::Backend for Served {
    async fn store(&self, tenant: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(HttpStore::connect(self.client(tenant).await).await.expect("a server"))
    }

    async fn catalog(&self, tenant: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(HttpStore::connect(self.client(tenant).await).await.expect("a server"))
    }

    async fn reopen(&self) -> bool {
        let lasts = !matches!(self.store, Store::Memory);
        if lasts {
            self.stop().await;
            *self.running.lock().await = Some(self.run().await);
        }
        lasts
    }

    fn is_edge(&self) -> bool {
        true
    }
}
