//! Sees when a process has lost what it is asked about: an answer of its is then not worth waiting for. A process that
//! stands still keeps its connections open for ever.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::{Body, BodyDataStream, HttpBody};
use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, Shared, WeakShared},
    stream,
};
use gesta_core::{CheckpointKey, CheckpointStore};

/// How often it is looked whether a process still has something.
const LOOK: Duration = Duration::from_secs(1);
/// How long a process that has lost something may take to end its reply in words of its own.
const OWN_WORDS: Duration = Duration::from_secs(1);

/// Done when somebody else, or nobody, has what this owner had.
type Lost = Shared<BoxFuture<'static, ()>>;
/// The same, for as long as a reply waits for it.
type Waited = WeakShared<BoxFuture<'static, ()>>;

/// Watches leases; each once, however many replies wait for it.
pub(super) struct Watch {
    checkpoints: Arc<dyn CheckpointStore>,
    watched: Mutex<HashMap<(CheckpointKey, String), Waited>>,
}

impl Watch {
    pub(super) fn new(checkpoints: Arc<dyn CheckpointStore>) -> Self {
        Self { checkpoints, watched: Mutex::default() }
    }

    /// Done when somebody else, or nobody, has what this owner had.
    pub(super) fn loses(&self, key: &CheckpointKey, owner: &str) -> Lost {
        let mut watched = self.watched.lock().expect("no holder of the lock panics");
        watched.retain(|_, lost| lost.upgrade().is_some_and(|lost| lost.peek().is_none()));
        let whose = (key.clone(), owner.to_owned());
        if let Some(lost) = watched.get(&whose).and_then(Waited::upgrade) {
            return lost;
        }
        let lost = lost(Arc::clone(&self.checkpoints), key.clone(), owner.to_owned()).boxed().shared();
        if let Some(weak) = lost.downgrade() {
            watched.insert(whose, weak);
        }
        lost
    }
}

async fn lost(checkpoints: Arc<dyn CheckpointStore>, key: CheckpointKey, owner: String) {
    loop {
        tokio::time::sleep(LOOK).await;
        match checkpoints.holder(&key).await {
            Ok(Some(holder)) if holder.owner == owner => {}
            Ok(_) => return,
            // What cannot be looked at now has not changed for all anybody knows.
            Err(_) => {}
        }
    }
}

/// The body of an owner's reply: it ends when the owner has lost what it tells of and says no more. A reply of known
/// length then breaks off.
pub(super) fn watched(body: Body, lost: Lost) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let over = lost.then(|()| tokio::time::sleep(OWN_WORDS)).boxed();
    let next = |(mut body, mut over): (BodyDataStream, BoxFuture<'static, ()>)| async move {
        tokio::select! {
            biased;
            // What has come is handed on, whoever has it now.
            data = body.next() => Some((data?, (body, over))),
            () = &mut over => None,
        }
    };
    Body::from_stream(stream::unfold((body.into_data_stream(), over), next))
}
