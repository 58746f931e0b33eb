//! Logs: one JSON object a line on standard error, written by a thread of their own.
//!
//! A reader that stops reading must not stop the server: lines wait in a bounded queue and are dropped and
//! counted beyond it. Nothing of a payload and no key is ever logged.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

use super::json_lines::JsonLines;

/// Lines that may wait.
const QUEUE: usize = 8192;

/// How long lines are gathered before they are written together: waking a thread for each costs a busy server more
/// than the line itself.
const GATHER: Duration = Duration::from_millis(5);

/// Libraries whose news are no operator's; naming them in the filter makes them talk.
const QUIET: &str = "fjall=warn,lsm_tree=warn,refinery_core=warn,tokio_postgres=warn";

/// Why logs cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// The filter cannot be read.
    #[error("the log setting {given:?} cannot be read: write a level, or target=level pairs")]
    Filter {
        /// What was given.
        given: String,
    },
    /// There is a subscriber already.
    #[error("logs have begun already")]
    Twice,
}

/// Writes what is left when dropped.
#[must_use]
pub struct Logs {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

/// The sending half.
#[derive(Clone)]
struct Queue {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

enum Line {
    Text(Vec<u8>),
    End,
}

/// Begins to log what `filter` lets through (`info`, or `info,gesta::request=warn` to log requests only when
/// they fail). Once a process.
pub fn begin(filter: &str) -> Result<Logs, LogsError> {
    let parsed = parsed(filter)?;
    let (lines, receiver) = sync_channel(QUEUE);
    let queue = Queue { lines, dropped: Arc::default() };
    let dropped = Arc::clone(&queue.dropped);
    let write = move || write_all(&receiver, &dropped, io::stderr());
    let thread = std::thread::Builder::new().name("gesta-logs".into()).spawn(write).ok();
    let kept = queue.clone();
    let subscriber = tracing_subscriber::registry().with(parsed).with(JsonLines(move |line| kept.put(line)));
    subscriber.try_init().map_err(|_| LogsError::Twice)?;
    Ok(Logs { queue, thread })
}

/// What is asked for; libraries are kept quiet where they would talk because everything is asked for.
fn parsed(filter: &str) -> Result<EnvFilter, LogsError> {
    let wrong = |_| LogsError::Filter { given: filter.to_owned() };
    let mut for_all = filter.split(',').filter_map(|part| part.trim().parse::<LevelFilter>().ok());
    let talkative = for_all.any(|level| level > LevelFilter::WARN);
    let quiet = if talkative { QUIET } else { "" };
    EnvFilter::try_new(format!("{quiet},{filter}")).map_err(wrong)
}

fn write_all(lines: &Receiver<Line>, dropped: &AtomicU64, mut to: impl Write) {
    let mut ended = false;
    while !ended {
        let Ok(first) = lines.recv() else { return };
        if matches!(first, Line::Text(_)) {
            std::thread::sleep(GATHER);
        }
        let mut text = Vec::new();
        for line in std::iter::once(first).chain(lines.try_iter().take(QUEUE)) {
            match line {
                Line::Text(line) => text.extend_from_slice(&line),
                Line::End => ended = true,
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let told = format!("{{\"level\":\"WARN\",\"message\":\"{lost} log lines were dropped\"}}\n");
            text.extend_from_slice(told.as_bytes());
        }
        // Nobody could be told that telling failed.
        let _ = to.write_all(&text);
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let _ = self.queue.lines.send(Line::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn put(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Line::Text(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_talks_only_when_it_is_named() {
        let said_under = |filter: &str| {
            let said = Arc::new(std::sync::Mutex::new(Vec::new()));
            let kept = Arc::clone(&said);
            let layer = JsonLines(move |line| kept.lock().unwrap().push(String::from_utf8(line).unwrap()));
            let subscriber = tracing_subscriber::registry().with(parsed(filter).unwrap()).with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: "tokio_postgres::connection", "notice");
                tracing::warn!(target: "tokio_postgres::connection", "warning");
                tracing::info!(target: "gesta::request", "ours");
            });
            let lines = said.lock().unwrap().join("");
            ["notice", "warning", "ours"].map(|text| lines.contains(text))
        };
        assert_eq!(said_under("info"), [false, true, true]);
        assert_eq!(said_under("debug"), [false, true, true]);
        assert_eq!(said_under("info,tokio_postgres=info"), [true, true, true]);
        assert_eq!(said_under("error"), [false, false, false]);
        assert_eq!(said_under("gesta=info"), [false, false, true]);
        assert_eq!(said_under("error,tokio_postgres=info"), [true, true, false]);
        assert_eq!(said_under("error,tokio_postgres=off"), [false, false, false]);
    }

    #[test]
    fn a_full_queue_drops_lines_and_says_how_many() {
        let (lines, receiver) = sync_channel(2);
        let queue = Queue { lines, dropped: Arc::default() };
        (0..5).for_each(|_| queue.put(b"line\n".to_vec()));
        let dropped = Arc::clone(&queue.dropped);
        drop(queue);
        let mut written = Vec::new();
        write_all(&receiver, &dropped, &mut written);
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text.matches("line\n").count(), 2);
        assert!(text.contains("3 log lines were dropped"), "{text}");
    }
}
