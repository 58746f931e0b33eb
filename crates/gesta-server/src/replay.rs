//! What streams of deliveries have handed out lately, so that `Last-Event-ID` can name a place among it.
//!
//! With `auto_ack` an event is settled once it is handed over. When the connection breaks right then, the group will
//! not deliver it again; the consumer that comes back with the last id it has seen gets the rest from here.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use gesta_core::{Position, Tenant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Deliveries remembered for each consumer.
const DELIVERIES: usize = 1_000;

/// Consumers remembered.
const CONSUMERS: usize = 10_000;

/// Whose deliveries: tenant, group, consumer.
pub(crate) type Whose = (Tenant, String, String);

/// One delivery, its event apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) delivery: String,
    pub(crate) count: u32,
    pub(crate) position: Position,
}

/// What was handed out lately, and the streams that hand out.
#[derive(Default)]
pub(crate) struct Replays {
    handed: Mutex<HashMap<Whose, VecDeque<Handed>>>,
    streams: Mutex<HashMap<Whose, Vec<Stream>>>,
}

/// A stream of deliveries that may be ended.
struct Stream {
    superseded: CancellationToken,
    task: JoinHandle<()>,
}

impl Replays {
    /// Adds a stream of this consumer.
    pub(crate) fn add_stream(&self, whose: Whose, superseded: CancellationToken, task: JoinHandle<()>) {
        let mut all = self.streams.lock().expect("no holder of the lock panics");
        all.retain(|_, streams| {
            streams.retain(|stream| !stream.task.is_finished());
            !streams.is_empty()
        });
        all.entry(whose).or_default().push(Stream { superseded, task });
    }

    /// Ends the streams of this consumer, and waits until they hand out nothing more.
    pub(crate) async fn end_streams(&self, whose: &Whose) {
        let ended = self.streams.lock().expect("no holder of the lock panics").remove(whose);
        for Stream { superseded, task } in ended.into_iter().flatten() {
            superseded.cancel();
            // A stream that panicked has ended, too.
            let _ = task.await;
        }
    }

    /// Remembers deliveries, before they are sent.
    pub(crate) fn remember(&self, whose: &Whose, handed: impl IntoIterator<Item = Handed>) {
        let mut all = self.handed.lock().expect("no holder of the lock panics");
        if all.len() >= CONSUMERS && !all.contains_key(whose) {
            // Losing one costs its consumer a replay; whom it hits is no matter.
            let any = all.keys().next().cloned();
            any.and_then(|any| all.remove(&any));
        }
        let ring = all.entry(whose.clone()).or_default();
        ring.extend(handed);
        let surplus = ring.len().saturating_sub(DELIVERIES);
        ring.drain(..surplus);
    }

    /// What was handed out behind this delivery; nothing when it is not remembered.
    pub(crate) fn behind(&self, whose: &Whose, delivery: &str) -> Vec<Handed> {
        let all = self.handed.lock().expect("no holder of the lock panics");
        let Some(ring) = all.get(whose) else { return Vec::new() };
        match ring.iter().rposition(|handed| handed.delivery == delivery) {
            Some(at) => ring.iter().skip(at + 1).cloned().collect(),
            None => Vec::new(),
        }
    }

    /// Forgets what was acknowledged.
    pub(crate) fn settle(&self, tenant: &Tenant, group: &str, deliveries: &[String]) {
        let mut all = self.handed.lock().expect("no holder of the lock panics");
        for ((of, name, _), ring) in all.iter_mut() {
            if of == tenant && name == group {
                ring.retain(|handed| !deliveries.contains(&handed.delivery));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(number: u64) -> Handed {
        Handed { delivery: number.to_string(), count: 1, position: Position::new(number) }
    }

    #[test]
    fn what_came_behind_a_delivery_comes_again() {
        let (replays, whose) = (Replays::default(), (Tenant::default(), "g".to_owned(), "c".to_owned()));
        replays.remember(&whose, (1..=1_500).map(handed));
        assert_eq!(replays.behind(&whose, "1499"), [handed(1_500)]);
        assert_eq!(replays.behind(&whose, "500"), [], "the oldest are forgotten");
        assert_eq!(replays.behind(&whose, "rubbish"), []);
        let other = ("other".parse().unwrap(), "g".to_owned(), "c".to_owned());
        assert_eq!(replays.behind(&other, "1499"), []);
    }
}
