//! The `orders` binary: the application as a server, and the import.

use std::process::ExitCode;

use clap::Parser;

mod cli;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&format!("no threads to run on: {error}")),
    };
    let outcome = runtime.block_on(cli.run());
    // What still runs in the background has no say in when the command ends.
    runtime.shutdown_background();
    outcome.map_or_else(|reason| cli::failed(&reason), |()| ExitCode::SUCCESS)
}
