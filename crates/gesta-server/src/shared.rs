//! What a server does because others serve the same log: it follows them, passes requests on, and lets itself be found.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router, middleware::from_fn};
use gesta::{Following, Subscription};
use gesta_core::Filter;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    app::App,
    backend::Backend,
    forward::Forwarder,
    problem::write_problems,
    roles::{Roles, only_passed_on},
    runners::Runners,
    subscriptions,
};

/// How often it is looked what other processes have changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait when the log cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// What a server does because others serve the same log. Dropped without [`Shared::end`] it stops at once, and its place
/// among the others ends with its lease.
pub(crate) struct Shared {
    forwarder: Arc<Forwarder>,
    roles: Roles,
    stop: CancellationToken,
    attending: Option<AbortOnDropHandle<()>>,
    _definitions: AbortOnDropHandle<()>,
    /// Follows the processors until it is dropped.
    _following: Option<Following>,
}

impl Shared {
    /// Begins to follow the others, and to be found by them if it has the role.
    pub(crate) fn begin(backend: &Backend, app: &App, roles: Roles) -> Self {
        let (own, checkpoints) = (backend.named(), backend.checkpoints());
        let runners = Runners::new(backend.checkpoints(), own, app.config.lease);
        let forwarder = Forwarder::new(own, checkpoints, Arc::clone(&runners));
        let stop = CancellationToken::new();
        let attend = runners.attend(stop.clone().cancelled_owned());
        let attending = roles.processors.then(|| AbortOnDropHandle::new(tokio::spawn(attend)));
        let following = app.added.processors.as_ref().map(|processors| processors.follow(LOOK));
        let definitions = AbortOnDropHandle::new(tokio::spawn(follow_definitions(app.clone())));
        Self { forwarder, roles, stop, attending, _definitions: definitions, _following: following }
    }

    /// The routes with what passes requests on, and without those that a process of these roles does not answer.
    pub(crate) fn around(&self, router: Router) -> Router {
        let router = match self.roles.api {
            true => router,
            false => router.layer(from_fn(only_passed_on)).layer(from_fn(write_problems)),
        };
        router.layer(Extension(Arc::clone(&self.forwarder)))
    }

    /// Follows nobody any more, and gives back its place.
    pub(crate) async fn end(self) {
        let Self { stop, attending, .. } = self;
        stop.cancel();
        if let Some(attending) = attending {
            // One that panicked has ended, too.
            let _ = attending.await;
        }
    }
}

/// Forgets what it knows of subscriptions when another process has changed them: the next look reads the log.
async fn follow_definitions(app: App) {
    let store = &app.store;
    let head = loop {
        match store.head().await {
            Ok(head) => break head.position,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    // Whatever was read before this.
    app.subscriptions.forget_all();
    let filter = Filter::everything().categories(subscriptions::CATEGORIES);
    let mut log = Subscription::new(Arc::clone(store), filter).after(head);
    loop {
        match log.next_batch(100).await {
            Ok(batch) => {
                for event in batch.events {
                    app.subscriptions.forget(&event.tenant, event.stream.key());
                }
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
