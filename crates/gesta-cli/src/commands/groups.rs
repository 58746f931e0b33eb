//! `gesta groups`: durable competing consumers.

use clap::{Args, Subcommand};
use gesta_client::Group;

use crate::{exit::Outcome, shared::Shared};

mod consume;
mod create;
mod deliveries;
pub(super) mod parked;
mod show;

/// Make and run groups of competing consumers
#[derive(Debug, Args)]
pub(crate) struct Groups {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the groups
    List,
    /// Show one group
    Show(Named),
    /// Make a group
    Create(Box<create::Create>),
    /// Take deliveries as a member
    Pull(deliveries::Pull),
    /// Settle deliveries as handled
    Ack(deliveries::Ack),
    /// Give deliveries back as not handled
    Nack(deliveries::Nack),
    /// Handle deliveries one after the other until Ctrl-C: print them, or hand them to a command
    Consume(consume::Consume),
    /// List the events that could not be handled
    Parked(Named),
    /// Hand parked events out again
    Replay(parked::Which),
    /// Give parked events up
    Discard {
        #[command(flatten)]
        which: parked::Which,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
    },
    /// Remove a group; its events stay
    Remove(Named),
}

/// A group by its name.
#[derive(Debug, Args)]
struct Named {
    /// The name of the group
    group: String,
}

impl Named {
    fn group(&self, shared: &Shared) -> Result<Group, crate::exit::Failure> {
        Ok(Group::of(shared.client()?, self.group.as_str()))
    }
}

impl Groups {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        match self.verb {
            Verb::List => show::list(shared).await,
            Verb::Show(named) => show::show(shared, &named.group(shared)?).await,
            Verb::Create(create) => create.run(shared).await,
            Verb::Pull(pull) => pull.run(shared).await,
            Verb::Ack(ack) => ack.run(shared).await,
            Verb::Nack(nack) => nack.run(shared).await,
            Verb::Consume(consume) => consume.run(shared).await,
            Verb::Parked(named) => parked::list(shared, &named.group(shared)?).await,
            Verb::Replay(which) => which.replay(shared).await,
            Verb::Discard { which, reason } => which.discard(shared, reason).await,
            Verb::Remove(named) => show::remove(shared, &named.group(shared)?).await,
        }
    }
}
