//! Events that a processor left out.

use clap::{Args, Subcommand};
use gesta_api::{
    DeadLetter, DeadLetterStatistics, DeadLetters as Listed, DeadLettersOfType, ParkedReply, ParkedSelection,
};
use gesta_client::Processors as Remote;
use uuid::Uuid;

use super::Named;
use crate::{cli::Shared, exit::Outcome, output::table};

/// Look after the events that a processor left out
#[derive(Debug, Args)]
pub(super) struct DeadLetters {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them, oldest first; the later events of their streams wait behind them
    List(List),
    /// Count them by type
    Statistics(Named),
    /// Handle them again, each followed by what waits behind it
    Replay(Replay),
    /// Give them up, and handle what waits behind them
    Discard(Discard),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    of: Named,
    /// Show the events with their data, too, with --output json
    #[arg(long)]
    events: bool,
}

/// Which dead letters.
#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    of: Named,
    /// The ids of the events, as list prints them
    #[arg(required_unless_present = "all")]
    event_ids: Vec<Uuid>,
    /// All of them
    #[arg(long, conflicts_with = "event_ids")]
    all: bool,
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Discard {
    #[command(flatten)]
    which: Which,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

impl Which {
    fn selection(&self, reason: Option<String>) -> ParkedSelection {
        ParkedSelection {
            event_ids: (!self.all).then(|| self.event_ids.clone()),
            all: self.all.then_some(true),
            reason,
        }
    }
}

impl DeadLetters {
    pub(super) async fn run(self, shared: &Shared, remote: &Remote) -> Outcome {
        match self.verb {
            Verb::List(List { of, events }) => list(shared, remote.dead_letters(&of.name, events).await?),
            Verb::Statistics(of) => statistics(shared, &remote.dead_letter_statistics(&of.name).await?),
            Verb::Replay(Replay { which }) => {
                let count = remote.replay_dead_letters(&which.of.name, &which.selection(None)).await?;
                shared
                    .output
                    .print(&ParkedReply { count }, |reply| format!("{} to be handled again", reply.count))
            }
            Verb::Discard(Discard { which, reason }) => {
                let which = (which.selection(Some(reason)), which.of.name);
                let count = remote.discard_dead_letters(&which.1, &which.0).await?;
                shared.output.print(&ParkedReply { count }, |reply| format!("{} given up", reply.count))
            }
        }
    }
}

fn list(shared: &Shared, letters: Vec<DeadLetter<'static>>) -> Outcome {
    shared.output.print(&Listed { dead_letters: letters }, |listed| {
        let row = |letter: &DeadLetter<'_>| {
            let decided = if letter.decided { "yes" } else { "no" };
            let [id, attempts] = [letter.event_id.to_string(), letter.attempts.to_string()];
            let (stream, event_type) = (letter.stream_id.clone(), letter.event_type.clone());
            let held = letter.held.to_string();
            [id, stream, event_type, attempts, held, decided.to_owned(), letter.reason.clone()]
        };
        let rows: Vec<_> = listed.dead_letters.iter().map(row).collect();
        table(["EVENT", "STREAM", "TYPE", "ATTEMPTS", "WAITING", "DECIDED", "REASON"], &rows)
    })
}

fn statistics(shared: &Shared, statistics: &DeadLetterStatistics) -> Outcome {
    shared.output.print(statistics, |statistics| {
        let row = |counted: &DeadLettersOfType| {
            let [count, attempts] = [counted.count, counted.attempts].map(|number| number.to_string());
            let [first, last] = [counted.first_failed_at, counted.last_failed_at].map(|at| at.to_string());
            [counted.event_type.clone(), count, attempts, first, last]
        };
        let rows: Vec<_> = statistics.by_type.iter().map(row).collect();
        table(["TYPE", "COUNT", "ATTEMPTS", "FIRST FAILED AT", "LAST FAILED AT"], &rows)
    })
}
