//! The binary as a child process, and a server of its own for each test.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, with nothing of the surroundings that it would listen to.
pub(crate) fn gesta() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gesta"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("GESTA_") || ["HOST", "PORT", "RUST_LOG"].contains(&&*name) {
            command.env_remove(&*name);
        }
    }
    command
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Its only line, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("one JSON value: {self:?}"))
    }

    /// The same, once it is known to have succeeded.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Runs a command to its end.
pub(crate) fn done(command: &mut Command, input: &str) -> Done {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that does not read its input closes it.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A process that serves; killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    /// What it says once it takes requests.
    pub(crate) ready: Value,
}

impl Serving {
    /// Starts it with a command, and waits until it takes requests.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--output", "json"]).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        Self { child, ready: serde_json::from_str(&line).expect("JSON") }
    }

    /// What it says of this.
    pub(crate) fn said(&self, what: &str) -> &str {
        self.ready[what].as_str().unwrap_or_else(|| panic!("{what} in {}", self.ready))
    }

    /// Stops it in good order; answers with its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        signal(&self.child, "TERM");
        wait(&mut self.child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running server on a folder of its own.
pub(crate) struct Server {
    serving: Serving,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    /// A server on `folder/data`.
    pub(crate) fn start_in(folder: TempDir) -> Self {
        let serve = ["serve", "--port", "0", "--log", "warn", "--data"];
        let serving = Serving::start(gesta().args(serve).arg(folder.path().join("data")));
        Self { url: serving.said("url").to_owned(), serving, folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command that talks to this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = gesta();
        command.env("GESTA_URL", &self.url).args(arguments).current_dir(self.folder.path());
        command
    }

    /// Runs a command that talks to this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments), "")
    }

    /// Stops it in good order; answers with its exit code and its folder.
    pub(crate) fn stop(mut self) -> (i32, TempDir) {
        (self.serving.stop(), self.folder)
    }
}

/// Sends a signal to a child.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits for a child's exit code, not for ever.
pub(crate) fn wait(child: &mut Child) -> i32 {
    let mut code = None;
    until("the command ends", || {
        code = child.try_wait().expect("waits");
        code.is_some()
    });
    code.and_then(|status| status.code()).unwrap_or(-1)
}

/// Asks until something is so, with a bound.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A sample that the project ships.
pub(crate) fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    path.to_str().expect("text").to_owned()
}

/// Text with its ids, times, ports and folders made alike, so that it can be compared.
pub(crate) fn stable(text: &str) -> String {
    let shapes: [(&str, &str); 2] =
        [("[time]", "0000-00-00T00:00:00.000000Z"), ("[id]", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")];
    let mut rest = text;
    let mut made = String::new();
    'next: while let Some(c) = rest.chars().next() {
        for (name, shape) in shapes {
            if rest.len() >= shape.len()
                && rest.is_char_boundary(shape.len())
                && fits(&rest[..shape.len()], shape)
            {
                made += name;
                rest = &rest[shape.len()..];
                continue 'next;
            }
        }
        made.push(c);
        rest = &rest[c.len_utf8()..];
    }
    // A folder in memory survives less than one on a disk.
    ["synced", "buffered"].into_iter().fold(made, |made, class| {
        made.replace(&format!("\"durability\":\"{class}\""), "\"durability\":\"[class]\"")
    })
}

fn fits(text: &str, shape: &str) -> bool {
    text.chars().zip(shape.chars()).all(|(t, s)| match s {
        '0' => t.is_ascii_digit(),
        'x' => t.is_ascii_hexdigit(),
        other => t == other,
    })
}
