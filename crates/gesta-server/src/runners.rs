//! Which processes take what nobody runs yet.
//!
//! A group is claimed when it is asked for. A process that has the role `api` alone claims none, so it must know one that
//! may: each of those holds a place among a few, by a lease that says where it listens.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use gesta_core::{CheckpointKey, CheckpointStore, Epoch, Tenant};

use crate::owner::Owner;

/// So many processes are known to take what nobody runs; more of them run what they are asked for all the same.
const PLACES: usize = 8;

/// Which processes take what nobody runs yet.
pub(crate) struct Runners {
    checkpoints: Arc<dyn CheckpointStore>,
    own: String,
    lease: Duration,
}

/// A place among them.
struct Place {
    number: usize,
    epoch: Epoch,
}

impl Runners {
    pub(crate) fn new(checkpoints: Arc<dyn CheckpointStore>, own: &Owner, lease: Duration) -> Arc<Self> {
        Arc::new(Self { checkpoints, own: own.to_string(), lease })
    }

    /// One of them and its place, the same for the same text while they stay the same.
    pub(crate) async fn for_(&self, text: &str) -> Option<(CheckpointKey, String)> {
        let looks = (0..PLACES).map(|number| async move {
            let place = key(number);
            let holder = self.checkpoints.holder(&place).await.ok()??;
            Some((place, holder.owner))
        });
        let there: Vec<_> = join_all(looks).await.into_iter().flatten().collect();
        let mut hasher = DefaultHasher::new();
        // The name of the group or processor, whatever is asked of it.
        text.split('/').take(5).for_each(|part| part.hash(&mut hasher));
        let at = usize::try_from(hasher.finish() % there.len().max(1) as u64).expect("fewer than that");
        there.into_iter().nth(at)
    }

    /// Holds a place until it is told to stop, then gives it back.
    pub(crate) async fn attend(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut place = None;
        let hold = async {
            loop {
                place = self.hold(place.take()).await;
                tokio::time::sleep(self.lease / 3).await;
            }
        };
        tokio::select! {
            () = stop => {}
            () = hold => {}
        }
        if let Some(Place { number, epoch }) = place {
            // A place that is not given back ends with its lease.
            let _ = self.checkpoints.release(&key(number), epoch).await;
        }
    }

    /// The same place once more, or another one if that is lost; `None` if none is free.
    async fn hold(&self, place: Option<Place>) -> Option<Place> {
        let first = place.map_or(0, |place| place.number);
        for number in (first..PLACES).chain(0..first) {
            if let Ok(claim) = self.checkpoints.claim(&key(number), &self.own, self.lease).await {
                return Some(Place { number, epoch: claim.epoch });
            }
        }
        None
    }
}

fn key(number: usize) -> CheckpointKey {
    CheckpointKey::new(Tenant::default(), format!("$runner/{number}"))
}
