//! A connection that is given up when its peer is silent or takes nothing for too long.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// Where a connection is between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing has come yet.
    Opening,
    /// A head has begun to come.
    Head,
    /// A request is being served.
    Busy,
    /// The last request is done.
    Idle,
}

/// The phase of a connection, shared by its two ends: bytes begin a head, the service begins and ends requests.
#[derive(Debug)]
pub(super) struct Progress {
    phase: AtomicU8,
    unread: AtomicBool,
    reader: AtomicWaker,
}

impl Progress {
    /// Of a connection that was just accepted.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            phase: AtomicU8::new(Phase::Opening as u8),
            unread: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        })
    }

    /// A request begins ([`Phase::Busy`]) or its reply is gone ([`Phase::Idle`]).
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        if phase == Phase::Idle {
            // A read that has waited since before the reply is not polled again by itself, and its alarm would never
            // be set.
            self.reader.wake();
        }
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Opening,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    /// The reply was made before the body was read.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }
}

/// How long each phase may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the connection to its first byte.
    pub(super) first_byte: Duration,
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// From the end of a reply to the next request.
    pub(super) idle: Duration,
    /// Without a byte of a reply being taken.
    pub(super) write: Duration,
}

/// Most bytes, and longest time, spent on what a peer still sends after it was refused. Without it the peer's
/// kernel throws the refusal away before the peer has read it.
const LINGER: (usize, Duration) = (512 * 1024, Duration::from_secs(1));

/// A TCP stream with time limits.
pub(super) struct Timed {
    stream: TcpStream,
    progress: Arc<Progress>,
    limits: Limits,
    armed: Option<Phase>,
    read: Pin<Box<Sleep>>,
    write: Option<Pin<Box<Sleep>>>,
    linger: Option<usize>,
}

impl Timed {
    /// The alarm of the first byte is set.
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>, limits: Limits) -> Self {
        let read = Box::pin(sleep(limits.first_byte));
        Self { stream, progress, limits, armed: Some(Phase::Opening), read, write: None, linger: None }
    }

    /// Sets the alarm of a phase once, so that a dribble of bytes does not put it off.
    fn arm(&mut self, phase: Phase) {
        if self.armed == Some(phase) {
            return;
        }
        self.armed = Some(phase);
        let limit = match phase {
            Phase::Opening => self.limits.first_byte,
            Phase::Head => self.limits.head,
            Phase::Idle => self.limits.idle,
            Phase::Busy => return,
        };
        self.read.as_mut().reset(Instant::now() + limit);
    }

    /// Ready once the phase has lasted too long; a request being served may last as long as its own limits let it.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.armed == Some(Phase::Busy) {
            return Poll::Pending;
        }
        ready!(self.read.as_mut().poll(cx));
        Poll::Ready(late("the peer was silent for too long"))
    }

    /// Gives a write up when nothing of it was taken for too long.
    fn watch_write<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.write = None;
            return poll;
        }
        let limit = self.limits.write;
        let alarm = self.write.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(late("the peer took nothing for too long")))
    }

    /// Reads on for a moment and throws it away, see [`LINGER`].
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.linger.is_none() {
            self.linger = Some(LINGER.0);
            self.read.as_mut().reset(Instant::now() + LINGER.1);
        }
        let mut scrap = [0; 8192];
        loop {
            let left = self.linger.unwrap_or_default();
            if left == 0 || self.read.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.linger = Some(left.saturating_sub(buffer.filled().len()));
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

fn late(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, text)
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            let phase = this.progress.phase();
            if buffer.filled().len() > before && matches!(phase, Phase::Opening | Phase::Idle) {
                this.progress.enter(Phase::Head);
                this.arm(Phase::Head);
            }
            return Poll::Ready(read);
        }
        let phase = this.progress.phase();
        if phase == Phase::Busy {
            this.progress.reader.register(cx.waker());
        }
        this.arm(phase);
        this.poll_alarm(cx).map(Err)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_write(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let refused_head = this.progress.phase() == Phase::Head;
        if refused_head || this.progress.unread.load(Ordering::Acquire) {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
