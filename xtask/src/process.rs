//! Running other programs: from the workspace root, with a plain reason when they fail.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Outcome;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// A program, run in the workspace's folder.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Some(data) = test_data() {
        command.env("GESTA_TEST_DATA", data);
    }
    command
}

/// Large real inputs, where somebody has put them beside the clone or named them.
pub(crate) fn test_data() -> Option<PathBuf> {
    let named = env::var_os("GESTA_TEST_DATA").map(PathBuf::from);
    let beside = || Some(root().parent()?.join("shared").join("data"));
    named.or_else(beside)?.canonicalize().ok().filter(|folder| folder.is_dir())
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs to the end with our output; fails when it does.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|cause| missing(command, &cause))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", line(command))) }
}

/// Runs to the end and hands back what it printed; fails when it does.
pub(crate) fn read(command: &mut Command) -> Result<String, String> {
    let output = command.stderr(Stdio::piped()).output().map_err(|cause| missing(command, &cause))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed ({}): {}", line(command), output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sends a signal, by the shell's own `kill`: nothing more has to be installed.
pub(crate) fn signal(process: u32, signal: &str) -> Outcome {
    read(program("sh").args(["-c", &format!("kill -{signal} {process}")])).map(drop)
}

/// Looks again and again until it is so; whether it was in time.
pub(crate) fn until(patience: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !ready() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// The last lines of a log, for a reason.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// An empty folder of this name; whatever was there before is gone.
pub(crate) fn fresh_folder(path: &Path) -> Result<PathBuf, String> {
    let _ = fs::remove_dir_all(path);
    fs::create_dir_all(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    Ok(path.to_owned())
}

/// What this machine cannot do is a failure where machines are prepared for it.
pub(crate) fn cannot(reason: String) -> Outcome {
    if env::var("CI").is_ok_and(|ci| ci == "true") { Err(reason) } else { Ok(()) }
}

/// The program's path, if it is installed.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether we may do everything on this machine.
pub(crate) fn is_root() -> bool {
    read(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn missing(command: &Command, cause: &std::io::Error) -> String {
    format!("{} does not start: {cause}", command.get_program().to_string_lossy())
}
