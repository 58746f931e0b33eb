//! Events that a processor left out.

use clap::{Args, Subcommand};
use gesta_api::{DeadLetter, DeadLetterStatistics, DeadLetters as Listed, DeadLettersOfType, ParkedReply};
use gesta_client::Processors as Remote;
use uuid::Uuid;

use super::Named;
use crate::{commands::groups::parked::selected, exit::Outcome, output::table, shared::Shared};

/// Look after the events that a processor left out
#[derive(Debug, Args)]
pub(super) struct DeadLetters {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them, oldest first; the later events of their streams wait behind them
    List {
        #[command(flatten)]
        of: Named,
        /// Show the events with their data, too, with --output json
        #[arg(long)]
        events: bool,
    },
    /// Count them by type
    Statistics(Named),
    /// Handle them again, each followed by what waits behind it
    Replay(Which),
    /// Give them up, and handle what waits behind them
    Discard {
        #[command(flatten)]
        which: Which,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
    },
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

impl DeadLetters {
    pub(super) async fn run(self, shared: &Shared, remote: &Remote) -> Outcome {
        match self.verb {
            Verb::List { of, events } => list(shared, remote.dead_letters(&of.name, events).await?),
            Verb::Statistics(of) => statistics(shared, &remote.dead_letter_statistics(&of.name).await?),
            Verb::Replay(Which { of, event_ids, all }) => {
                let which = selected(event_ids, all, None);
                let count = remote.replay_dead_letters(&of.name, &which).await?;
                shared.output.print(&ParkedReply { count }, |_| format!("{count} to be handled again"))
            }
            Verb::Discard { which: Which { of, event_ids, all }, reason } => {
                let which = selected(event_ids, all, Some(reason));
                let count = remote.discard_dead_letters(&of.name, &which).await?;
                shared.output.print(&ParkedReply { count }, |_| format!("{count} given up"))
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
        let header = ["EVENT", "STREAM", "TYPE", "ATTEMPTS", "WAITING", "DECIDED", "REASON"];
        table(header, listed.dead_letters.iter().map(row))
    })
}

fn statistics(shared: &Shared, statistics: &DeadLetterStatistics) -> Outcome {
    shared.output.print(statistics, |statistics| {
        let row = |counted: &DeadLettersOfType| {
            let [count, attempts] = [counted.count, counted.attempts].map(|number| number.to_string());
            let [first, last] = [counted.first_failed_at, counted.last_failed_at].map(|at| at.to_string());
            [counted.event_type.clone(), count, attempts, first, last]
        };
        let header = ["TYPE", "COUNT", "ATTEMPTS", "FIRST FAILED AT", "LAST FAILED AT"];
        table(header, statistics.by_type.iter().map(row))
    })
}
