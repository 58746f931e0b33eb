//! Tests of a crate as a proof: run by themselves, honestly or with a bug planted that they must notice.

use std::{
    io::{Read, read_to_string},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::binary::arm;
use crate::process;

/// What a run of tests came to.
pub(super) struct Proof {
    /// Whether all of them passed, and in time.
    pub(super) holds: bool,
    /// What they printed.
    pub(super) told: String,
    /// What is wrong, in a line or three.
    pub(super) finding: String,
}

impl Proof {
    /// Runs the tests, for so long at most. A name that no test has is an error.
    pub(super) fn run(mut tests: Command, bug: Option<&str>, longest: Duration) -> Result<Self, String> {
        arm(&mut tests, bug).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tests.spawn().map_err(|cause| format!("{tests:?}: {cause}"))?;
        let (out, err) = (listen(child.stdout.take()), listen(child.stderr.take()));
        let mut ended = None;
        process::until(longest, || {
            ended = child.try_wait().transpose();
            ended.is_some()
        });
        let Some(status) = ended else {
            let _ = (child.kill(), child.wait());
            let finding = format!("it did not end in {longest:?} (process {})", child.id());
            return Ok(Self { holds: false, told: String::new(), finding });
        };
        let holds = status.map_err(|cause| cause.to_string())?.success();
        let [told, err] = [out, err].map(|listener| listener.join().expect("a listener never panics"));
        if told.contains("running 0 tests") {
            return Err(format!("no test is run by {tests:?}"));
        }
        Ok(Self { holds, told, finding: first_panic(&err) })
    }
}

/// Reads it to its end meanwhile, so that nobody waits for room in a pipe.
fn listen(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || from.and_then(|from| read_to_string(from).ok()).unwrap_or_default())
}

/// What the first panic said.
fn first_panic(err: &str) -> String {
    let said = err.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
    let said: Vec<&str> = said.take(3).map(str::trim).collect();
    said.join(" ").chars().take(400).collect()
}
