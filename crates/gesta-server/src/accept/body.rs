//! Bodies that tell their connection how far it is.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, http::header, response::Response};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use tokio_util::sync::CancellationToken;

use super::timed::{Phase, Progress};

/// The body of a request; dropped before its end, it leaves a peer that is still sending.
pub(super) struct Sent {
    incoming: Incoming,
    progress: Arc<Progress>,
}

impl Sent {
    /// The body as it comes.
    pub(super) fn new(incoming: Incoming, progress: Arc<Progress>) -> Self {
        Self { incoming, progress }
    }
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.incoming.is_end_stream() {
            self.progress.leave_unread();
        }
    }
}

/// The body of a reply; when it is gone the connection is idle.
pub(super) struct Reply {
    body: Body,
    progress: Arc<Progress>,
    ending: Ending,
}

/// How the reply ends when the server stops.
enum Ending {
    /// By itself, soon enough.
    Own,
    /// It is endless: done when the server stops and its own last words had their time.
    Endless(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// The last words are said.
    Over,
}

/// How long an endless reply may take for last words of its own.
const OWN_WORDS: Duration = Duration::from_secs(1);

/// What ends a stream that has none.
const LAST_WORDS: &[u8] = b": the server stops, connect again\n\n";

impl Reply {
    /// The body of this response, which ends when the server stops if it would not by itself.
    pub(super) fn of(
        response: Response,
        progress: Arc<Progress>,
        stop: &CancellationToken,
    ) -> http::Response<Self> {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let endless = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let ending = if endless { Ending::Endless(Box::pin(end_of(stop.clone()))) } else { Ending::Own };
        response.map(|body| Self { body, progress, ending })
    }
}

/// Done when an endless reply has to end.
async fn end_of(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(OWN_WORDS).await;
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let over = match &mut self.ending {
            Ending::Own => false,
            Ending::Endless(end) => end.as_mut().poll(cx).is_ready(),
            Ending::Over => return Poll::Ready(None),
        };
        if over {
            self.ending = Ending::Over;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(LAST_WORDS)))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.ending, Ending::Over) || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.progress.enter(Phase::Idle);
    }
}
