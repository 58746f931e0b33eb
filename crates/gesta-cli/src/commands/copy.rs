//! `gesta copy`: a log with its checkpoints into another store.

use clap::Args;

use crate::{
    exit::{Exit, Failure, Outcome},
    interrupt::Interrupt,
    shared::Shared,
};

mod compare;
mod place;
mod report;
mod source;
mod target;
mod transfer;

use compare::Comparison;
use place::Place;
use report::Report;
use source::Source;
use target::Target;
use transfer::{Ended, Transfer};

/// Copy a log with its checkpoints into another store, as it is: ids, versions, positions and times stay
///
/// A store is a data folder (PATH or file:PATH) or a PostgreSQL database (postgres://USER@HOST/DATABASE). An address with a
/// password is taken from GESTA_STORE_FROM and GESTA_STORE_TO, never from the command line. Stopped half way, the same
/// command goes on where it was. Read models and snapshots are derived and stay behind.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The store to copy; GESTA_STORE_FROM when not given
    #[arg(long, value_name = "STORE")]
    from: Option<String>,
    /// The store to copy into, empty or begun by this command; GESTA_STORE_TO when not given
    #[arg(long, value_name = "STORE")]
    to: Option<String>,
    /// Servers may run on the source: go on with what they record, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// End by itself once nothing is left to copy
    #[arg(long, requires = "follow")]
    until_caught_up: bool,
    /// Copy nothing, compare the stores byte for byte
    #[arg(long, conflicts_with = "follow")]
    verify_only: bool,
}

impl Copy {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let from = Place::given(self.from.as_deref(), "--from", "GESTA_STORE_FROM")?;
        let to = Place::given(self.to.as_deref(), "--to", "GESTA_STORE_TO")?;
        if from.is_same(&to) {
            return Err(Failure::usage("--from and --to name the same store: name another one to copy into"));
        }
        let interrupt = Interrupt::listen();
        let source = Source::open(&from).await?;
        if self.verify_only {
            return verify(&from, &to, source, shared, &interrupt).await;
        }
        if !self.follow && !source.hold().await? {
            return Err(Failure::new(
                Exit::Unavailable,
                format!(
                    "{from} is in use: stop the servers that run on it, or copy beside them with --follow"
                ),
            ));
        }
        let target = Target::open(&to).await?;
        let done = self.copy(&from, &to, &source, &target, &interrupt).await;
        target.close().await;
        source.close().await;
        let report = done?;
        shared.output.print(&report, Report::text)?;
        report.verdict()
    }

    async fn copy(
        &self,
        from: &Place,
        to: &Place,
        source: &Source,
        target: &Target,
        interrupt: &Interrupt,
    ) -> Result<Report, Failure> {
        let mut transfer = Transfer::begin(source, target).await?;
        let mut comparison = Comparison::new(source.again(from)?, Source::beside(to, target)?);
        let stopped = || {
            Failure::new(
                Exit::Interrupted,
                "stopped half way: run the same command again, it goes on where it was",
            )
        };
        if transfer.catch_up(Some(interrupt)).await? == Ended::Interrupted && !self.follow {
            return Err(stopped());
        }
        if self.follow && !self.until_caught_up {
            // While servers go on, so that less is left to compare at the end.
            comparison.up_to(transfer.head(), Some(interrupt)).await?;
            transfer.follow(interrupt).await?;
        }
        let in_use = !source.hold().await?;
        // Noted before the last events are copied: no checkpoint is ahead of what the copy holds then.
        let checkpoints = transfer.note_checkpoints().await?;
        transfer.catch_up(None).await?;
        let carried = transfer.carry(checkpoints).await?;
        let again = (!self.follow).then_some(interrupt);
        if comparison.up_to(transfer.head(), again).await? == Ended::Interrupted {
            return Err(stopped());
        }
        Ok(Report {
            copied: transfer.copied(),
            already_there: transfer.already_there(),
            head: transfer.head().get(),
            checkpoints: carried.adopted,
            checkpoints_left: carried.left,
            source: comparison.source(),
            target: comparison.target(),
            equal: comparison.is_equal(),
            source_in_use: in_use,
            next: report::next(to, in_use),
        })
    }
}

/// Compares both stores and changes neither.
async fn verify(from: &Place, to: &Place, source: Source, shared: &Shared, interrupt: &Interrupt) -> Outcome {
    let target = Source::open(to).await?;
    let (head, other) = (source.head().await?, target.head().await?);
    let mut comparison = Comparison::new(source, target);
    if comparison.up_to(head.min(other), Some(interrupt)).await? == Ended::Interrupted {
        return Err(Failure::new(Exit::Interrupted, "stopped half way"));
    }
    let verified = report::Verified {
        compared: head.min(other).get(),
        source_head: head.get(),
        target_head: other.get(),
        source: comparison.source(),
        target: comparison.target(),
        equal: comparison.is_equal() && head == other,
    };
    comparison.close().await;
    shared.output.print(&verified, report::Verified::text)?;
    verified.verdict(from, to)
}
