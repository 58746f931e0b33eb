//! The chores of this workspace: `cargo xtask help`.

use std::process::ExitCode;

mod faults;
mod gate;
mod openapi;
mod pages;
mod process;
mod programs;
mod servers;
mod tidy;

/// Why a chore failed, in words for whoever ran it.
type Outcome = Result<(), String>;

const HELP: &str = "\
cargo xtask <chore>

  test [STEP ...]         the whole gate: format, clippy, tidy, services, every test, golden files, measurements,
                          faults and documented commands; or only the steps named (`test list` lists them)
  tidy                    what keeps the code readable: direction, words, sizes, tests that wait
  services start|stop|status [postgres|redis ...]
                          PostgreSQL and Redis on loopback for tests and measurements, under target/services
  openapi [--check]       write the golden OpenAPI document anew, or only compare
  faults <kind> [...]     kill9, powercut, syscalls, sub_churn …: break the real binary on purpose (`faults help`)
  pages [FILE ...]        run the commands of README.md and docs/quick-start.md as a reader would
  help                    this page

Variables: GESTA_TEST_DATA names a folder with large real inputs for tests that can use them; unset, it is a folder
`data` in a sibling folder `shared` of this one if there is one. CI=true makes it a failure when this machine cannot do everything.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next().unwrap_or_else(|| "help".into());
    let rest: Vec<String> = arguments.collect();
    let outcome = match chore.as_str() {
        "test" => gate::run(&rest),
        "tidy" => tidy::run(),
        "services" => servers::run(&rest),
        "openapi" => openapi::run(&rest),
        "faults" => faults::run(&rest),
        "pages" => pages::run(&rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(format!("no chore is called {other:?}: see cargo xtask help")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
