//! The commands, one file each.

pub(crate) mod append;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod event;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod groups;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod processors;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod streams;
pub(crate) mod tail;
pub(crate) mod verify;

use clap::CommandFactory;

use crate::{
    cli::{Cli, Command},
    exit::Outcome,
};

/// Runs the command that was typed.
pub(crate) async fn run(cli: Cli) -> Outcome {
    let shared = &cli.shared;
    match cli.command {
        Command::Serve(command) => command.run(shared).await,
        Command::Publish(command) => command.run(shared).await,
        Command::Append(command) => command.run(shared).await,
        Command::Read(command) => command.run(shared).await,
        Command::Tail(command) => command.run(shared).await,
        Command::Streams(command) => command.run(shared).await,
        Command::Event(command) => command.run(shared).await,
        Command::Groups(command) => command.run(shared).await,
        Command::Processors(command) => command.run(shared).await,
        Command::State(command) => command.run(shared).await,
        Command::Diff(command) => command.run(shared).await,
        Command::Explain(command) => command.run(shared).await,
        Command::Stats(command) => command.run(shared).await,
        Command::Import(command) => Box::pin(command.run(shared)).await,
        Command::Export(command) => command.run(shared).await,
        Command::Verify(command) => command.run(shared),
        Command::Backup(command) => command.run(shared),
        Command::Restore(command) => command.run(shared),
        Command::Copy(command) => Box::pin(command.run(shared)).await,
        Command::Bench(command) => Box::pin(command.run(shared)).await,
        Command::Keys(command) => command.run(shared),
        Command::Completions(command) => command.run(Cli::command()),
    }
}
