//! `cargo xtask test`: the whole gate, step by step, each with its time.

use std::time::{Duration, Instant};

use crate::{
    Outcome, faults, openapi, pages, process,
    servers::{self, Server},
    tidy,
};

mod count;
mod measure;

pub(crate) use count::Counts;

/// A step of the gate.
struct Step {
    name: &'static str,
    does: &'static str,
    run: fn(&mut Counts) -> Outcome,
}

const STEPS: [Step; 9] = [
    Step { name: "format", does: "cargo fmt --check", run: |_| format() },
    Step { name: "clippy", does: "clippy over every target, warnings are errors", run: |_| clippy() },
    Step { name: "tidy", does: "cargo xtask tidy", run: |_| tidy::run() },
    Step { name: "services", does: "start what tests and measurements talk to", run: |_| start() },
    Step {
        name: "tests",
        does: "cargo test over the workspace, documentation included",
        run: count::cargo_tests,
    },
    Step {
        name: "openapi",
        does: "the golden OpenAPI document is the server's",
        run: |_| openapi::check_all(),
    },
    Step { name: "measure", does: "the measurements run, a second each", run: |_| measure::smoke() },
    Step {
        name: "faults",
        does: "a short run of each kind of fault, with its controls",
        run: |_| break_it(),
    },
    Step { name: "pages", does: "the commands of the documents do what they say", run: pages::step },
];

/// Runs every step, or the ones named. A step that fails does not keep the others from running.
pub(crate) fn run(names: &[String]) -> Outcome {
    if names == ["list"] {
        STEPS.iter().for_each(|step| println!("{:<9} {}", step.name, step.does));
        return Ok(());
    }
    if let Some(name) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(format!("no step is called {name:?}: see cargo xtask test list"));
    }
    let began = Instant::now();
    wish(&["git", "curl"]);
    let mine = Server::ALL.into_iter().filter(|server| server.running().is_none()).collect::<Vec<_>>();
    let mut counts = Counts::default();
    let mut lines = Vec::new();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        lines.push(take(step, &mut counts));
    }
    for server in mine {
        if let Err(reason) = server.stop() {
            println!("gate: {reason}");
        }
    }
    println!("\ngate: {} steps\n{}", lines.len(), lines.join("\n"));
    finish(&counts, began.elapsed())
}

fn take(step: &Step, counts: &mut Counts) -> String {
    println!("\ngate: {}: {}", step.name, step.does);
    let began = Instant::now();
    let failed_before = counts.failed;
    let outcome = (step.run)(counts);
    let seconds = began.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => {
            counts.passed += 1;
            println!("gate: {} ok in {seconds:.1} s", step.name);
            format!("  {:<9} ok      {seconds:>7.1} s", step.name)
        }
        Err(reason) => {
            counts.failed = counts.failed.max(failed_before + 1);
            println!("gate: {} FAILED in {seconds:.1} s: {reason}", step.name);
            format!("  {:<9} FAILED  {seconds:>7.1} s  {reason}", step.name)
        }
    }
}

/// The last line has the form of cargo's own, over tests, steps and documented commands alike.
fn finish(counts: &Counts, took: Duration) -> Outcome {
    let result = if counts.failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s",
        counts.passed,
        counts.failed,
        counts.ignored,
        counts.filtered,
        took.as_secs_f64()
    );
    if counts.failed == 0 { Ok(()) } else { Err(format!("{} checks failed", counts.failed)) }
}

fn format() -> Outcome {
    process::run(process::cargo().args(["fmt", "--all", "--", "--check"]))
}

fn clippy() -> Outcome {
    process::run(process::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

fn start() -> Outcome {
    if let Err(reason) = servers::install(&["pgbouncer", "openssl"]) {
        cannot(&reason)?;
    }
    for server in Server::ALL {
        match server.start() {
            Ok(url) => println!("{}={url}", server.variable()),
            Err(reason) => cannot(&reason)?,
        }
    }
    Ok(())
}

/// Programs that somebody will miss by name if they cannot be had.
fn wish(programs: &[&str]) {
    if let Err(reason) = servers::install(programs) {
        println!("gate: {reason}");
    }
}

fn break_it() -> Outcome {
    for program in ["strace", "mkfs.ext4", "losetup"] {
        wish(&[program]);
    }
    faults::run(&["short".into()])
}

/// What this machine cannot do is said.
fn cannot(reason: &str) -> Outcome {
    println!("gate: cannot here: {reason}");
    process::cannot(reason.to_owned())
}
