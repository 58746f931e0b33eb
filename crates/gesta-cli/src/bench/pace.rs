//! A clock finer than the runtime's timers, which know no fractions of a millisecond.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Ticks again and again. On the thread that works on the ticks: a thread of its own had to wake that one for every
/// request, which took half a core from the server under test.
pub(crate) struct Pace(AsyncFd<OwnedFd>);

impl Pace {
    /// Ticks every so often, on the current runtime.
    pub(crate) fn every(interval: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let interval = Timespec::try_from(interval).map_err(io::Error::other)?;
        let spec = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
        #[expect(
            deprecated,
            reason = "its danger is a descriptor that is closed early, which an owned one cannot be"
        )]
        let timer = AsyncFd::new(timer)?;
        Ok(Self(timer))
    }

    /// Waits for the next tick; ticks that were missed come as one.
    pub(crate) async fn tick(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut ticks = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut ticks)?)) {
                Ok(read) => return read.map(|_| ()),
                Err(_would_block) => {}
            }
        }
    }
}
