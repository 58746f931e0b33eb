//! A server whose store is a database.

use std::{net::SocketAddr, sync::Arc};

use gesta_conformance::fault_proxy::{Door, FaultProxy};
use gesta_postgres::Options;
use gesta_server::{Backend, Config, start_on};
use tokio::time::timeout;

use crate::{
    postgres::{self, Database},
    process::Open,
    support::{PATIENCE, ask, get, listener},
};

/// The log in a database, for any number of processes.
pub(crate) fn open(database: &Database) -> Open {
    let url = database.url();
    Arc::new(move || {
        let url = url.clone();
        // Each process has a few connections, so that many tests at once fit the server.
        let options = Options::default().connections(4);
        Box::pin(async move { Backend::postgres(&url, options).await.expect("a store") })
    })
}

/// A server whose database is gone says so before anybody loses an event on it, and is well again once it is back.
#[tokio::test]
async fn a_database_that_is_gone_makes_a_server_unhealthy_until_it_is_back() {
    let database = postgres::database().await;
    let url = database.url();
    let (before, host) = url.split_once('@').expect("a user");
    let (host, name) = host.split_once('/').expect("a database");
    let proxy = FaultProxy::before(host.parse().expect("an address"), 1).await.expect("listens");
    let through = format!("{before}@{}/{name}", proxy.address());
    let backend = Backend::postgres(&through, Options::default().connections(2)).await.expect("a store");
    let running = start_on(listener().await, backend, Config::default()).await.expect("starts");
    let at = running.address();
    until(at, "/health/ready", 200).await;
    proxy.door(Door::Refuse);
    proxy.reset();
    let told = until(at, "/health", 503).await;
    assert!(told.contains("unhealthy") && !told.contains("postgres://"), "{told}");
    assert_eq!(ask(at, &get("/health/ready", "")).await.status, 503);
    proxy.heal();
    until(at, "/health/ready", 200).await;
}

/// The body once the reply has this status.
async fn until(at: SocketAddr, path: &str, status: u16) -> String {
    let look = async {
        loop {
            let reply = ask(at, &get(path, "")).await;
            if reply.status == status {
                return reply.body;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, look).await.expect("it comes to that")
}
