//! Measurements of Gesta beside its peers, in one run: see docs/performance.md.

use std::process::ExitCode;

mod load;
mod no_store;
mod parts;
mod peers;
mod process;
mod report;
mod settings;
mod wire;

use report::Report;
use settings::Settings;

/// As in the server's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The first three are for ourselves: parts of a run that need a process of their own.
    let outcome = match arguments.split_first() {
        Some((verb, rest)) if verb == "phase" => parts::embedded::phase(rest),
        Some((verb, rest)) if verb == "postgres" => parts::postgres::phase(rest),
        Some((verb, _)) if verb == "no-store" => no_store::serve(),
        _ => Settings::read(arguments.into_iter()).and_then(|settings| run(&settings)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> Result<(), String> {
    std::fs::create_dir_all(&settings.folder).map_err(|cause| cause.to_string())?;
    // One thread: on two cores the server needs the other one more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| cause.to_string())?;
    let mut report = Report::default();
    let done = runtime.block_on(parts::run(settings, &mut report));
    report.write(&settings.folder)?;
    done
}
