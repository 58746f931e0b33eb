//! Handling deliveries until somebody says stop.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;
use gesta_client::{Delivered, Failure as NotHandled, GroupConsumer};
use serde::Serialize;
use tokio::{io::AsyncWriteExt, process::Command, sync::Notify};

use super::{Named, deliveries::line};
use crate::{exit::Outcome, interrupt::Interrupt, output::number, shared::Shared};

/// Handle deliveries until Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Consume {
    #[command(flatten)]
    of: Named,
    /// The name of the member
    #[arg(long, default_value = "gesta-cli", value_name = "NAME")]
    consumer: String,
    /// Pull at most so many at a time
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    batch: u32,
    /// Handle at most so many streams at a time
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    concurrency: usize,
    /// Stop after so many deliveries, or a few more that were pulled with them
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Stop when nothing has come for so long, in milliseconds
    #[arg(long, value_name = "MS")]
    idle_ms: Option<u64>,
    /// Print nothing but the sum at the end
    #[arg(long)]
    quiet: bool,
    /// Run this command for each delivery, with the delivery as JSON on its standard input; exit 0 acknowledges
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Serialize)]
struct Sum {
    handled: u64,
    failed: u64,
    lost: u64,
}

/// How many deliveries were handled, and who waits for it to change.
#[derive(Default)]
struct Count {
    handled: AtomicU64,
    changed: Notify,
}

impl Consume {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let interrupt = Interrupt::listen();
        let count = Arc::new(Count::default());
        let (output, quiet, command) = (shared.output, self.quiet, Arc::new(self.command));
        let counted = count.clone();
        let handler = move |delivered: Arc<Delivered>| {
            let (command, counted) = (command.clone(), counted.clone());
            async move {
                if command.is_empty() {
                    if !quiet {
                        output.print(&*delivered, line)?;
                    }
                } else {
                    hand_over(&command, &delivered).await?;
                }
                counted.handled.fetch_add(1, Ordering::SeqCst);
                counted.changed.notify_one();
                Ok(())
            }
        };
        let consumer = GroupConsumer::new(self.of.group(shared)?, self.consumer)
            .on("*", handler)
            .batch(self.batch)
            .concurrency(self.concurrency);
        let idle = self.idle_ms.map(Duration::from_millis);
        let stop = stop(&interrupt, &count, self.limit.unwrap_or(u64::MAX), idle);
        let consumed = consumer.run(stop).await?;
        let sum = Sum { handled: consumed.handled, failed: consumed.failed, lost: consumed.lost };
        shared.output.print(&sum, |sum| {
            format!(
                "{} handled, {} given back, {} lost",
                number(sum.handled),
                number(sum.failed),
                number(sum.lost)
            )
        })
    }
}

/// Waits until there is a reason to stop.
async fn stop(interrupt: &Interrupt, count: &Count, limit: u64, idle: Option<Duration>) {
    while count.handled.load(Ordering::SeqCst) < limit {
        let silence = async {
            match idle {
                Some(idle) => tokio::time::sleep(idle).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = interrupt.asked() => return,
            () = count.changed.notified() => {}
            () = silence => return,
        }
    }
}

async fn hand_over(command: &[String], delivered: &Delivered) -> Result<(), NotHandled> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let json = serde_json::to_vec(delivered)?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input is free not to.
        let _ = input.write_all(&json).await;
    }
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
}
