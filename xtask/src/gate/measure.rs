//! The measurements, a second each: they run, their figures mean nothing.

use crate::{
    Outcome, process,
    programs::Build,
    servers::{self, Server},
};

/// Runs every part of `bench`; without Redis and PostgreSQL where this machine has none.
pub(super) fn smoke() -> Outcome {
    let programs = Build::default().targets(&["--bin", "gesta", "--bin", "bench"])?;
    let mut bench = process::program(programs.join("bench"));
    bench.arg("--smoke").arg("--gesta").arg(programs.join("gesta"));
    bench.arg("--folder").arg(process::target().join("bench-smoke"));
    let urls = servers::variables();
    if urls.len() < Server::ALL.len() {
        bench.args(["--only", "http,paced,group,embedded,engine,idle"]);
    }
    process::run(bench.envs(urls))
}
