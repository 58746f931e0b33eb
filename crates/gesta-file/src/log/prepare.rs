//! The helper beside the writer: makes the next segment ready before it is needed, and seals the last one.
//!
//! A full disk is met here, so that an append is refused before anything of it is written.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use gesta_core::Incarnation;

use super::{
    folder::sync_names,
    recover::zero,
    segment::Segment,
    summary::{SealError, seal},
};
use crate::background::step_back;

/// How a segment that nobody wrote to is called.
pub(crate) const NEXT: &str = "next.events";
/// Zeros are written and synced in slices, so that no sync of the writer waits for much of them.
const SLICE: u64 = 256 << 10;
/// Larger ones when the writer is nearly there: they cost the processor a third.
const HASTY_SLICE: u64 = 2 << 20;
/// Left free on the disk, for everything that is not the log.
const RESERVE: u64 = 1 << 20;
/// A segment is not made smaller than this to fit a disk that is nearly full.
const LEAST: u64 = 64 << 10;
/// So many times as long as a slice took the disk is left to the writer before the next: zeroing 256 MiB in one go made
/// appends wait for a third of a second.
const RESTS: u32 = 4;
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A zeroed and synced file that has no place in the log yet.
pub(crate) struct Ready {
    pub(crate) file: File,
    pub(crate) size: u64,
}

/// The segment that is being written, and when the next one was asked for.
pub(crate) struct Filling {
    pub(crate) segment: Arc<Segment>,
    /// Where it stood then.
    pub(crate) from: u64,
    /// Where it is full.
    pub(crate) to: u64,
}

impl Filling {
    /// Which part of what was free then is written to by now.
    fn part(&self) -> f64 {
        self.segment.end().saturating_sub(self.from) as f64 / (self.to - self.from).max(1) as f64
    }
}

/// Why there is no next segment.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It may be there later.
    NotNow(String),
    /// A write or a sync failed.
    Broken(String),
}

/// How to go on.
enum Haste {
    Calm,
    Hurry,
    Stop,
}

/// The work of the helper's thread, shared with the writer.
pub(crate) struct Preparer {
    dir: PathBuf,
    incarnation: Incarnation,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The size of the segment to prepare.
    wanted: Option<u64>,
    /// It must not be smaller.
    least: u64,
    ready: Option<Ready>,
    fault: Option<Fault>,
    sealing: VecDeque<Arc<Segment>>,
    /// The one that is being written.
    filling: Option<Filling>,
    /// The writer waits for the next segment.
    awaited: bool,
    stopped: bool,
}

impl Preparer {
    /// A helper for the log folder `dir`; nothing happens until [`Preparer::run`] has a thread.
    pub(crate) fn new(dir: PathBuf, incarnation: Incarnation) -> Self {
        Self { dir, incarnation, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Asks for a segment of `size` bytes, wanted once the one that is being written is full.
    pub(crate) fn want(&self, size: u64, filling: Option<Filling>) {
        let mut state = self.state();
        state.wanted = Some(size);
        state.least = 0;
        state.filling = filling;
        self.changed.notify_all();
    }

    /// Takes a segment of at least `least` bytes; waits while one is being made.
    pub(crate) fn take(&self, size: u64, least: u64) -> Result<Ready, Fault> {
        let mut state = self.state();
        loop {
            match state.ready.take() {
                Some(ready) if ready.size >= least => return Ok(ready),
                Some(_) | None => {}
            }
            if let Some(fault) = state.fault.clone() {
                // One batch that is too large for the disk must not keep smaller ones from it.
                if state.wanted.is_some() && least > 0 && state.least == least {
                    (state.wanted, state.least) = (Some(size), 0);
                }
                return Err(fault);
            }
            if state.stopped {
                return Err(Fault::NotNow("the store is closing".into()));
            }
            if state.wanted.is_none() || state.least < least {
                state.wanted = Some(size.max(least));
                state.least = least;
                self.changed.notify_all();
            }
            state.awaited = true;
            state = self.changed.wait(state).expect("no holder of the helper's lock panics");
            state.awaited = false;
        }
    }

    /// A segment is full: it gets its summary when there is time.
    pub(crate) fn seal(&self, segment: Arc<Segment>) {
        self.state().sealing.push_back(segment);
        self.changed.notify_all();
    }

    /// Ends the thread, once what is full is sealed.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// The thread's loop.
    pub(crate) fn run(&self) {
        step_back();
        let mut state = self.state();
        loop {
            if !state.stopped
                && let Some(size) = state.wanted
            {
                let least = state.least;
                drop(state);
                let made = self.prepare(size, least);
                state = self.state();
                state = self.made(state, made);
            } else if let Some(segment) = state.sealing.pop_front() {
                drop(state);
                let sealed = self.summarise(&segment);
                state = self.state();
                if !sealed && !state.stopped {
                    state.sealing.push_back(segment);
                    state = self.pause(state);
                }
            } else if state.stopped {
                return;
            } else {
                state = self.changed.wait(state).expect("no holder of the helper's lock panics");
            }
        }
    }

    fn made<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        made: Result<Ready, Fault>,
    ) -> MutexGuard<'a, State> {
        match made {
            Ok(ready) => {
                // Somebody may have asked for a larger one meanwhile.
                if ready.size >= state.least {
                    state.wanted = None;
                }
                state.ready = Some(ready);
                state.fault = None;
                self.changed.notify_all();
                state
            }
            Err(fault) => {
                tracing::warn!(?fault, "no segment can be prepared");
                let broken = matches!(fault, Fault::Broken(_));
                state.fault = Some(fault);
                self.changed.notify_all();
                if broken {
                    state.wanted = None;
                    return state;
                }
                self.pause(state)
            }
        }
    }

    /// Waits before the next try, but not for an end.
    fn pause<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let going = |state: &mut State| !state.stopped;
        let waited = self.changed.wait_timeout_while(state, TRY_AGAIN, going);
        waited.expect("no holder of the helper's lock panics").0
    }

    /// Leaves the disk to the writer for a while after some work, unless so much done is less than what the writer has
    /// used up meanwhile.
    fn rest(&self, worked: Duration, done: f64) -> Haste {
        let hurried = |state: &State| {
            state.awaited || state.filling.as_ref().is_none_or(|filling| done < filling.part())
        };
        let undisturbed = |state: &mut State| !hurried(state) && !state.stopped;
        let waited = self.changed.wait_timeout_while(self.state(), worked * RESTS, undisturbed);
        let state = waited.expect("no holder of the helper's lock panics").0;
        match (state.stopped, hurried(&state)) {
            (true, _) => Haste::Stop,
            (false, true) => Haste::Hurry,
            (false, false) => Haste::Calm,
        }
    }

    fn prepare(&self, size: u64, least: u64) -> Result<Ready, Fault> {
        let path = self.dir.join(NEXT);
        let size = self.affordable(size, least)?;
        let made = make(&path, &self.dir, size, &|worked, done| self.rest(worked, done));
        if made.is_err() {
            // The space is somebody else's until the next try; that it may fail changes nothing.
            let _ = fs::remove_file(&path);
        }
        made
    }

    /// The size that fits the disk.
    fn affordable(&self, wanted: u64, least: u64) -> Result<u64, Fault> {
        let disk = rustix::fs::statvfs(&self.dir).map_err(|error| self.not_now(&error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let least = least.max(LEAST).min(wanted);
        let mut size = wanted;
        while size > least && free < size + RESERVE {
            size = (size / 2).max(least);
        }
        if free < size + RESERVE {
            let dir = self.dir.display();
            return Err(Fault::NotNow(format!(
                "the disk of {dir} is full ({free} bytes free, {} needed): free some space",
                size + RESERVE
            )));
        }
        Ok(size)
    }

    fn not_now(&self, error: &io::Error) -> Fault {
        Fault::NotNow(format!("no segment can be made in {}: {error}", self.dir.display()))
    }

    /// Cuts the zeros off a full segment and writes its summary. `false`: try again later.
    fn summarise(&self, segment: &Segment) -> bool {
        let path = &segment.path;
        let end = segment.end();
        let cut = || {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(end)?;
            file.sync_all()
        };
        let sealed =
            cut().map_err(SealError::Io).and_then(|()| seal(path, self.incarnation, segment.first, end));
        match sealed {
            Ok(summary) => segment.summarise(summary),
            Err(SealError::Io(error)) => {
                tracing::warn!(path = %path.display(), %error, "a segment has no summary yet");
                return false;
            }
            Err(SealError::Damaged(damage)) => {
                tracing::error!(%damage, "a segment is damaged right after it was written");
            }
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the helper's lock panics")
    }
}

/// Makes a zeroed file, itself and its name synced.
fn make(path: &Path, dir: &Path, size: u64, rest: &dyn Fn(Duration, f64) -> Haste) -> Result<Ready, Fault> {
    let not_now = |error: io::Error| Fault::NotNow(format!("{}: {error}", path.display()));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::NotNow(format!("the disk of {} is full: free some space", path.display()))
        }
        _ => Fault::Broken(format!("{}: {error}", path.display())),
    };
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map_err(not_now)?;
    let (mut at, mut slice) = (0, SLICE);
    while at < size {
        let (to, begun) = (size.min(at + slice), Instant::now());
        zero(&file, at, to).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        at = to;
        slice = match rest(begun.elapsed(), at as f64 / size as f64) {
            Haste::Stop => return Err(Fault::NotNow("the store is closing".into())),
            Haste::Hurry => HASTY_SLICE,
            Haste::Calm => SLICE,
        };
    }
    sync_names(dir).map_err(failed)?;
    Ok(Ready { file, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::Position;

    #[test]
    fn a_batch_that_no_disk_can_hold_does_not_keep_smaller_ones_from_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let helper = Preparer::new(folder.path().to_owned(), Incarnation::from_bytes([7; 16]));
        std::thread::scope(|scope| {
            scope.spawn(|| helper.run());
            let refused = helper.take(LEAST, 1 << 60).err().expect("no disk is so large");
            assert!(matches!(refused, Fault::NotNow(ref reason) if reason.contains("full")), "{refused:?}");
            // It is asked again and again until the helper has tried, as appends that are tried again do.
            let patience = Instant::now() + Duration::from_secs(20);
            let mut made = helper.take(LEAST, 1_000);
            while made.is_err() && Instant::now() < patience {
                std::thread::yield_now();
                made = helper.take(LEAST, 1_000);
            }
            helper.stop();
            assert!(made.is_ok(), "smaller ones are refused, too");
        });
    }

    #[test]
    fn it_hurries_only_when_the_writer_uses_up_more_than_is_ready() {
        let folder = Path::new("nowhere");
        let helper = Preparer::new(folder.to_owned(), Incarnation::from_bytes([7; 16]));
        let segment = Arc::new(Segment::open(folder, Position::new(1), Vec::new(), 100));
        helper.want(64, Some(Filling { segment: segment.clone(), from: 100, to: 200 }));
        assert!(matches!(helper.rest(Duration::ZERO, 0.0), Haste::Calm));
        segment.grow(&[], 150);
        assert!(matches!(helper.rest(Duration::ZERO, 0.4), Haste::Hurry));
        assert!(matches!(helper.rest(Duration::ZERO, 0.6), Haste::Calm));
        helper.stop();
        assert!(matches!(helper.rest(Duration::from_secs(3600), 0.6), Haste::Stop));
    }
}
