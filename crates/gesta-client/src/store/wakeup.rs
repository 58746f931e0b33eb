//! Hints that a log on a server has moved.

use std::sync::{Arc, Mutex, MutexGuard};

use gesta_core::{Filter, Position};
use tokio::sync::watch;

use crate::{Client, Subscription};

/// Follows the log while anybody listens, and no longer.
pub(super) struct Hints {
    client: Client,
    head: watch::Sender<Position>,
    following: Mutex<bool>,
}

impl Hints {
    pub(super) fn new(client: Client, head: Position) -> Self {
        Self { client, head: watch::Sender::new(head), following: Mutex::new(false) }
    }

    fn following(&self) -> MutexGuard<'_, bool> {
        self.following.lock().expect("no holder of this lock panics")
    }

    /// Ends the task unless somebody has begun to listen meanwhile.
    fn may_stop(&self) -> bool {
        let mut following = self.following();
        let unheard = self.head.receiver_count() == 0;
        *following = !unheard;
        unheard
    }
}

/// Listens. The first listener starts one task for all of them; it ends with the last one.
pub(super) fn subscribe(hints: &Arc<Hints>) -> watch::Receiver<Position> {
    let mut following = hints.following();
    let receiver = hints.head.subscribe();
    if !std::mem::replace(&mut *following, true) {
        tokio::spawn(follow(hints.clone()));
    }
    receiver
}

async fn follow(hints: Arc<Hints>) {
    let all = Filter::of(hints.client.tenant());
    let mut subscription = Subscription::of(hints.client.clone(), &all).from_head();
    loop {
        tokio::select! {
            () = hints.head.closed() => {
                if hints.may_stop() {
                    return;
                }
            }
            event = subscription.next() => match event {
                Ok(event) => { hints.head.send_if_modified(|head| {
                    let moved = event.position > *head;
                    *head = event.position.max(*head);
                    moved
                }); }
                Err(error) => {
                    // A hint may be lost, and whoever listens polls behind it; so a refusal only ends the hints.
                    tracing::warn!(%error, "no wakeups from the server");
                    *hints.following() = false;
                    return;
                }
            }
        }
    }
}
