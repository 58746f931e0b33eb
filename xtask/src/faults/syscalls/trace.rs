//! strace around the server: what it does, and what is done to it instead.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::super::server::Server;
use crate::process;

/// The calls that change files, and those that make them durable.
const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat2";

/// A tracer and where it writes.
pub(super) struct Trace {
    out: PathBuf,
    paths: Vec<PathBuf>,
}

impl Trace {
    /// Only calls on these paths; on all when there are none.
    pub(super) fn new(out: PathBuf, paths: &[PathBuf]) -> Self {
        let _ = fs::remove_file(&out);
        Self { out, paths: paths.to_vec() }
    }

    /// The files of the log, those that come and go and the folders.
    pub(super) fn paths(data: &Path) -> Vec<PathBuf> {
        let log = data.join("log");
        let mut paths = vec![data.join("meta"), data.join("meta.tmp"), log.join("next.events"), log.clone()];
        let names = fs::read_dir(&log).map(|folder| folder.flatten().map(|entry| entry.path()).collect());
        let names: Vec<PathBuf> = names.unwrap_or_default();
        paths.extend(
            names
                .iter()
                .filter(|path| path.extension().is_some_and(|e| e == "summary"))
                .map(|path| path.with_extension("summary.tmp")),
        );
        paths.extend(names);
        paths.push(data.to_owned());
        paths.sort();
        paths.dedup();
        paths
    }

    /// The words before the server's own.
    pub(super) fn command(&self, injection: Option<&str>) -> Vec<String> {
        let mut words: Vec<String> = ["strace", "-f", "--seccomp-bpf", "-qq", "-o"].map(Into::into).into();
        words.push(self.out.to_string_lossy().into_owned());
        for path in &self.paths {
            words.extend(["-P".into(), path.to_string_lossy().into_owned()]);
        }
        words.extend(["-e".into(), format!("trace={CALLS}")]);
        if let Some(injection) = injection {
            words.extend(["-e".into(), format!("inject={injection}")]);
        }
        words
    }

    /// Kills the server under the tracer, then the tracer.
    pub(super) fn kill(&self, server: &mut Server) {
        let tracer = server.id();
        let children =
            fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let Ok(child) = child.parse() else { continue };
            let _ = process::signal(child, "KILL");
            // It holds the folder's lock until the kernel has let go of its last thread.
            process::until(Duration::from_secs(5), || !Path::new("/proc").join(child.to_string()).exists());
        }
        server.kill();
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// Whether the fault came to pass.
    pub(super) fn was_injected(&self, kill: bool) -> bool {
        let text = self.text();
        text.contains("(INJECTED)")
            || text.contains("(DELAYED)")
            || kill && text.contains("+++ killed by SIGKILL")
    }
}

/// How often each call was made; a fault's `k` counts within one thread, so the busiest thread is what counts.
pub(super) struct Calls {
    most: BTreeMap<String, usize>,
    pub(super) paths: Vec<PathBuf>,
}

impl Calls {
    pub(super) fn read(trace: &Trace, paths: Vec<PathBuf>) -> Result<Self, String> {
        let mut by_thread: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in trace.text().lines() {
            let mut words = line.split_whitespace();
            let (Some(thread), Some(call)) = (words.next(), words.next()) else { continue };
            let Some((name, _)) = call.split_once('(') else { continue };
            *by_thread.entry((thread.to_owned(), name.to_owned())).or_default() += 1;
        }
        let mut most: BTreeMap<String, usize> = BTreeMap::new();
        for ((_, name), count) in by_thread {
            let have = most.entry(name).or_default();
            *have = count.max(*have);
        }
        if !most.contains_key("fdatasync") {
            return Err(format!("strace saw no sync of the log; it wrote {:?}", trace.text().lines().next()));
        }
        Ok(Self { most, paths })
    }

    pub(super) fn of(&self, call: &str) -> usize {
        self.most.get(call).copied().unwrap_or(0)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<_> = self.most.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, "calls of the script: {}", each.join(", "))
    }
}
