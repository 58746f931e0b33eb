//! Answers that wait for the checkpoint to be saved.

use crate::group::{Delivery, DeliveryId, GroupError, command::Reply};

/// Answers that wait for the checkpoint to be saved.
#[derive(Default)]
pub(super) struct Answers {
    counts: Vec<Count>,
    deliveries: Vec<(Reply<Vec<Delivery>>, Vec<Delivery>)>,
}

/// The answer to an acknowledgement, a refusal or a decision.
struct Count {
    /// The deliveries it is about, if any.
    deliveries: Vec<DeliveryId>,
    result: Result<usize, GroupError>,
    reply: Reply<usize>,
}

impl Answers {
    pub(super) fn count(
        &mut self,
        deliveries: Vec<DeliveryId>,
        result: Result<usize, GroupError>,
        reply: Reply<usize>,
    ) {
        self.counts.push(Count { deliveries, result, reply });
    }

    pub(super) fn deliveries(&mut self, deliveries: Vec<Delivery>, reply: Reply<Vec<Delivery>>) {
        self.deliveries.push((reply, deliveries));
    }

    /// It is saved: answers, and returns what was handed over, and what nobody was there to take.
    pub(super) fn send(&mut self) -> (Vec<Delivery>, Vec<Delivery>) {
        for Count { result, reply, .. } in self.counts.drain(..) {
            drop(reply.send(result));
        }
        let (mut handed_over, mut refused) = (Vec::new(), Vec::new());
        for (reply, deliveries) in self.deliveries.drain(..) {
            match reply.send(Ok(deliveries.clone())) {
                Ok(()) => handed_over.extend(deliveries),
                Err(_) => refused.extend(deliveries),
            }
        }
        (handed_over, refused)
    }

    /// It is not saved. When that is because the group has another owner, the deliveries are lost for sure.
    pub(super) fn fail(&mut self, error: &GroupError, lost: bool) {
        for Count { deliveries, reply, .. } in self.counts.drain(..) {
            let error = if lost && !deliveries.is_empty() {
                GroupError::LeaseLost { counted: 0, lost: deliveries }
            } else {
                error.clone()
            };
            drop(reply.send(Err(error)));
        }
        for (reply, _) in self.deliveries.drain(..) {
            drop(reply.send(Err(error.clone())));
        }
    }
}
