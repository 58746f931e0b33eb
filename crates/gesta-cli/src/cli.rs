//! The command line: its commands.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        append, backup, bench, completions, copy, diff, event, explain, export, groups, import, keys,
        processors, publish, read, restore, serve, state, stats, streams, tail, verify,
    },
    shared::Shared,
};

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 conflict (another version, other content, a lost lease), 4 not found, \
5 unavailable (the same command may work later), 6 denied, 130 stopped by Ctrl-C.

The key of a server that asks for one comes from --key-file or the environment variable GESTA_API_KEY.";

/// Gesta: an event-sourcing platform. The server and every client command in one binary.
#[derive(Debug, Parser)]
#[command(name = "gesta", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Publish(publish::Publish),
    Append(append::Append),
    Read(read::Read),
    Tail(tail::Tail),
    Streams(streams::Streams),
    Event(event::Event),
    Groups(groups::Groups),
    Processors(processors::Processors),
    State(state::State),
    Diff(diff::Diff),
    Explain(explain::Explain),
    Stats(stats::Stats),
    Import(import::Import),
    Export(export::Export),
    Verify(verify::Verify),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Copy(copy::Copy),
    Bench(bench::Bench),
    Keys(keys::Keys),
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_takes_a_key_as_an_argument() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let secret = ["key", "api_key", "token", "password", "secret"];
                assert!(!secret.contains(&name), "{} --{name}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
