//! The `gesta` binary: the server and every client command.

use std::process::ExitCode;

use clap::Parser;

mod bench;
mod cli;
mod commands;
mod exit;
mod import;
mod input;
mod interrupt;
mod output;
mod progress;
mod selection;
mod shared;

/// A server makes and drops a few dozen small objects a request, on other threads than it made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::Failure::failed(format!("no threads to run on: {error}")).report();
        }
    };
    let outcome = runtime.block_on(commands::run(cli));
    // What still runs in the background has no say in when the command ends.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
