//! How far a long command is, on standard error.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// A command that ends within this shows nothing.
const QUIET: Duration = Duration::from_secs(1);

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How far a long command is: a bar on a terminal, elsewhere a line now and then.
pub(crate) struct Progress {
    what: &'static str,
    total: Option<u64>,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
    terminal: bool,
}

impl Progress {
    /// Begins. `total` is what [`Progress::at`] counts up to, if that is known.
    pub(crate) fn new(what: &'static str, total: Option<u64>) -> Self {
        let started = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self { what, total: total.filter(|n| *n > 0), started, last_line: started, bar: None, terminal }
    }

    /// Is at `done` of the total; `note` says it in the command's own words.
    pub(crate) fn at(&mut self, done: u64, note: impl FnOnce() -> String) {
        if self.started.elapsed() < QUIET {
            return;
        }
        if self.terminal {
            let (what, total) = (self.what, self.total);
            let bar = self.bar.get_or_insert_with(|| bar(what, total));
            bar.set_position(done);
            bar.set_message(note());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            match self.total {
                Some(total) => {
                    let (percent, left) = (done.min(total) * 100 / total, self.left(done, total));
                    eprintln!("{}: {percent} % · {}{left}", self.what, note());
                }
                None => eprintln!("{}: {}", self.what, note()),
            }
        }
    }
}

impl Progress {
    /// How long it takes to the end if it goes on like this.
    fn left(&self, done: u64, total: u64) -> String {
        if done == 0 {
            return String::new();
        }
        let seconds = self.started.elapsed().as_secs_f64() * total.saturating_sub(done) as f64 / done as f64;
        format!(" · {} left", HumanDuration(Duration::from_secs(seconds as u64)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let style = |template| ProgressStyle::with_template(template).expect("the template is legal");
    match total {
        Some(total) => ProgressBar::new(total)
            .with_style(style("{prefix} {bar:30} {percent} % · {msg} · {eta} left"))
            .with_prefix(what),
        None => ProgressBar::new_spinner()
            .with_style(style("{prefix} {spinner} {msg} · {elapsed}"))
            .with_prefix(what),
    }
}
