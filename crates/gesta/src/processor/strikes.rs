//! How often an event failed for now, over several claims.

use std::sync::{Mutex, MutexGuard};

use gesta_core::RecordedEvent;
use uuid::Uuid;

use super::deliver::Failure;

/// How often the event that is to be handled next failed for now.
///
/// A failure for now may hide a commit whose answer was lost. So an event is given up only under another claim than that
/// of its last attempt: what was under way is shut out then, and the checkpoint tells whether it was done.
#[derive(Default)]
pub(super) struct Strikes(Mutex<Option<(Uuid, Failure)>>);

impl Strikes {
    /// Adds failed attempts of an event.
    pub(super) fn add(&self, event: Uuid, failure: Failure) {
        let mut known = self.known();
        let earlier = known.take().filter(|(id, _)| *id == event).map(|(_, earlier)| earlier);
        let first_at = earlier.as_ref().map_or(failure.first_at, |earlier| earlier.first_at);
        let attempts = earlier.map_or(0, |earlier| earlier.attempts) + failure.attempts;
        *known = Some((event, Failure { attempts, first_at, ..failure }));
    }

    /// Why an event is to be given up, if it failed so often.
    pub(super) fn out(&self, event: Uuid, most: Option<u32>) -> Option<Failure> {
        let most = most?;
        let out = |known: &mut (Uuid, Failure)| known.0 == event && known.1.attempts >= most;
        self.known().take_if(out).map(|(_, failure)| failure)
    }

    /// Whether one of these events is to be given up.
    pub(super) fn hit(&self, events: &[RecordedEvent], most: Option<u32>) -> bool {
        let (Some(most), Some((id, failure))) = (most, &*self.known()) else { return false };
        failure.attempts >= most && events.iter().any(|event| event.id == *id)
    }

    fn known(&self) -> MutexGuard<'_, Option<(Uuid, Failure)>> {
        self.0.lock().expect("no holder of the strikes panics")
    }
}
