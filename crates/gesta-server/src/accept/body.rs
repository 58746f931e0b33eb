//! Bodies that tell their connection how far it is.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, http::header, response::Response};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::timed::{Phase, Progress};

/// The body of a request; dropped before its end, it leaves a peer that is still sending.
pub(super) struct Sent {
    incoming: Incoming,
    progress: Arc<Progress>,
}

impl Sent {
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
    /// Of an endless reply only: when the server stops, it ends.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    over: bool,
}

/// The last words of an SSE stream that ends because the server stops.
const STOPPING: &[u8] = b": the server stops, connect again\n\n";

impl Reply {
    pub(super) fn of(
        response: Response,
        progress: Arc<Progress>,
        stop: &CancellationToken,
    ) -> http::Response<Self> {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let endless = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let stop = endless.then(|| Box::pin(stop.clone().cancelled_owned()));
        response.map(|body| Self { body, progress, stop, over: false })
    }
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            self.over = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(STOPPING)))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
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
