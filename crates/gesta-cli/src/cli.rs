//! The command line: what every command shares.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gesta_client::{ApiKey, Client};
use gesta_core::Tenant;

use crate::{
    commands::{
        append, backup, bench, completions, copy, diff, event, explain, export, groups, import, keys,
        processors, publish, read, restore, serve, state, stats, streams, tail, verify,
    },
    exit::{Exit, Failure},
    output::Output,
};

/// The environment variable that holds a key. A key is never an argument: arguments are readable by others.
const KEY_VARIABLE: &str = "GESTA_API_KEY";

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

/// What every command shares.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Shared {
    /// The server to talk to
    #[arg(long, global = true, env = "GESTA_URL", default_value = "http://127.0.0.1:8087")]
    url: String,
    /// A file that holds the key
    #[arg(long, global = true, env = "GESTA_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Whose events; a server that knows keys takes it from the key
    #[arg(long, global = true, env = "GESTA_TENANT")]
    tenant: Option<Tenant>,
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
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

impl Shared {
    /// The server, with key and tenant.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let client = Client::new(&self.url).map_err(Failure::usage)?;
        let client = match self.key()? {
            Some(key) => client.with_key(key),
            None => client,
        };
        Ok(match &self.tenant {
            Some(tenant) => client.for_tenant(tenant.clone()),
            None => client,
        })
    }

    /// The key, from the file or the environment, checked.
    fn key(&self) -> Result<Option<ApiKey>, Failure> {
        let parse = |text: String| text.parse().map_err(|error| Failure::new(Exit::Denied, error));
        self.key_text()?.map(parse).transpose()
    }

    /// The key as text, for a caller that writes its own requests.
    pub(crate) fn key_text(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.key_file else {
            return Ok(std::env::var(KEY_VARIABLE)
                .ok()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()));
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::Denied, format!("the key file {} cannot be read: {error}", file.display()))
        })?;
        Ok(Some(text.trim().to_owned()))
    }

    /// The tenant that is meant.
    pub(crate) fn tenant(&self) -> Tenant {
        self.tenant.clone().unwrap_or_default()
    }
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
