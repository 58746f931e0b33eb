//! What a figure is worth depends on where and when it was taken.

use std::{fs, process::Command, time::Instant};

use crate::{report::Report, settings::Settings};

/// Writes down the machine, the day and what its disk can do at best.
pub(super) fn write(settings: &Settings, report: &mut Report) -> Result<(), String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let (day, commit) =
        (said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]), said("git", &["rev-parse", "--short", "HEAD"]));
    let (p50, p99) = flushes(settings)?;
    report.part("Conditions");
    report.say(&format!(
        "{day}, commit {commit}, {cores} × {model}, Linux {}, load before the run {}; generator and system on the same cores.",
        kernel.trim(),
        load.split(' ').next().unwrap_or("?")
    ));
    report.say(&format!("Append of 4 KiB and fdatasync on this disk: p50 {p50} µs, p99 {p99} µs."));
    if settings.smoke {
        report.say("**A smoke run: a second each. These figures mean nothing.**");
    }
    report.keep("conditions", serde_json::json!({
        "date": day, "commit": commit, "cores": cores, "cpu": model, "kernel": kernel.trim(), "load": load.trim(),
        "fdatasync_p50_us": p50, "fdatasync_p99_us": p99, "smoke": settings.smoke,
    }));
    Ok(())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "?".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Microseconds of an append with its flush: median and 99 %.
fn flushes(settings: &Settings) -> Result<(u128, u128), String> {
    let path = settings.folder.join("flush");
    let mut taken = Vec::new();
    let once = || -> std::io::Result<()> {
        let mut file = fs::File::create(&path)?;
        for _ in 0..if settings.smoke { 50 } else { 2_000 } {
            let began = Instant::now();
            std::io::Write::write_all(&mut file, &[7; 4096])?;
            file.sync_data()?;
            taken.push(began.elapsed().as_micros());
        }
        fs::remove_file(&path)
    };
    let mut once = once;
    once().map_err(|cause| format!("{}: {cause}", path.display()))?;
    taken.sort_unstable();
    Ok((taken[taken.len() / 2], taken[taken.len() * 99 / 100]))
}
