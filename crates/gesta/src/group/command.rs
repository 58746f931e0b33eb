//! What can be asked of a group's actor.

use gesta_core::{Filter, Position};
use tokio::sync::oneshot;

use super::{Delivery, DeliveryId, GroupError, GroupInfo, Nack, Pull, Selection, record::ParkedEvent};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, GroupError>>;

/// What can be asked of a group's actor.
pub(super) enum Command {
    Pull(Pull, Reply<Vec<Delivery>>),
    Ack(Vec<DeliveryId>, Reply<usize>),
    Nack(Nack, Reply<usize>),
    Info(Reply<GroupInfo>),
    Parked(Reply<ParkedLanes>),
    Replay(Selection, Reply<usize>),
    Discard(Selection, Option<String>, Reply<usize>),
    Remove(Reply<()>),
    Stop,
}

/// What is parked, and what is needed to look at it without the actor.
pub(super) struct ParkedLanes {
    pub(super) parked: Vec<ParkedEvent>,
    pub(super) cursor: Position,
    pub(super) filter: Filter,
}

impl Command {
    /// Answers with an error.
    pub(super) fn refuse(self, error: GroupError) {
        // Whoever does not wait for an answer any more does not need one.
        match self {
            Self::Pull(_, reply) => drop(reply.send(Err(error))),
            Self::Ack(_, reply) | Self::Nack(_, reply) => drop(reply.send(Err(error))),
            Self::Info(reply) => drop(reply.send(Err(error))),
            Self::Parked(reply) => drop(reply.send(Err(error))),
            Self::Replay(_, reply) | Self::Discard(_, _, reply) => drop(reply.send(Err(error))),
            Self::Remove(reply) => drop(reply.send(Err(error))),
            Self::Stop => {}
        }
    }
}
