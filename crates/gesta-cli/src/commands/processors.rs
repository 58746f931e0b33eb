//! `gesta processors`: what reacts to the log in a server's process.

use clap::{Args, Subcommand};
use gesta_api::Processor;
use gesta_client::Processors as Remote;

use crate::{
    exit::{Failure, Outcome},
    shared::Shared,
};

mod dead_letters;
mod shown;
mod watch;

/// Look after the processors of a server: projections with their read models, and other handlers
#[derive(Debug, Args)]
pub(crate) struct Processors {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the processors
    List,
    /// Show one processor: how far it is, what went wrong, how a rebuild goes on
    Show(Watched),
    /// Let it finish its batch and wait, also after a restart
    Pause(Named),
    /// Let it go on, after a pause or after it has stopped with an error
    Resume(Named),
    /// Begin at the start of the log again; a read model is empty at once, rebuild is the way without downtime
    Reset(Reset),
    /// Build a read model anew beside the one at work, and put it in its place once it has caught up
    Rebuild(Watched),
    /// Give up a rebuild; the read model at work stays
    CancelRebuild(Named),
    /// Put the read model before the last rebuild back in place, once it has caught up
    SwapBack(Watched),
    DeadLetters(dead_letters::DeadLetters),
}

/// A processor by its name.
#[derive(Debug, Args)]
struct Named {
    /// The name of the processor; -projection at its end may be left out
    name: String,
}

/// A processor, and whether to stay with it.
#[derive(Debug, Args)]
struct Watched {
    #[command(flatten)]
    of: Named,
    /// Show the progress of what is being built until it is in place; Ctrl-C ends the watching alone
    #[arg(long)]
    watch: bool,
}

/// A processor that is to lose its place.
#[derive(Debug, Args)]
struct Reset {
    #[command(flatten)]
    of: Named,
    /// Yes, everybody who reads the read model may see it empty
    #[arg(long)]
    yes: bool,
}

impl Processors {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let remote = Remote::of(shared.client()?);
        let told = match self.verb.unwrap_or(Verb::List) {
            Verb::List => return shown::list(shared, remote.list().await?),
            Verb::Show(Watched { of, watch: true }) => watch::to_the_end(&remote, &of.name, None).await?,
            Verb::Show(Watched { of, .. }) => remote.get(&of.name).await?,
            Verb::Pause(Named { name }) => remote.pause(&name).await?,
            Verb::Resume(Named { name }) => remote.resume(&name).await?,
            Verb::Reset(reset) => reset.run(&remote).await?,
            Verb::Rebuild(Watched { of, watch }) => {
                let begun = remote.rebuild(&of.name).await?;
                if watch { watch::to_the_end(&remote, &of.name, Some(begun)).await? } else { begun }
            }
            Verb::CancelRebuild(Named { name }) => remote.cancel_rebuild(&name).await?,
            Verb::DeadLetters(letters) => return letters.run(shared, &remote).await,
            Verb::SwapBack(Watched { of, watch }) => {
                let begun = remote.swap_back(&of.name).await?;
                if watch { watch::to_the_end(&remote, &of.name, Some(begun)).await? } else { begun }
            }
        };
        shared.output.print(&told, shown::text)
    }
}

impl Reset {
    async fn run(self, remote: &Remote) -> Result<Processor, Failure> {
        if !self.yes {
            return Err(Failure::usage(
                "a reset empties the read model at once, and hands a handler every event again: rebuild is the way \
                 without downtime; say --yes if a reset is meant",
            ));
        }
        Ok(remote.reset(&self.of.name).await?)
    }
}
