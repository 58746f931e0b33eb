//! The port's streams: pages behind the scenes, read on threads that may block.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use gesta_core::{EventStream, ReadError, RecordedEvent};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::log::Log;

mod all;
mod picked;
mod stream;

pub(crate) use all::all;
pub(crate) use stream::one;

/// A page with so many events is worth fetching the next one while it is being consumed.
const LONG_PAGE: usize = 128;

/// A read that goes on page by page.
pub(crate) trait Pages: Send + Unpin + 'static {
    /// The next page if it takes no disk: called on the caller's own thread.
    fn quick(&mut self, log: &Log) -> Option<Page>;
    /// The next page; may be empty although there is more. `None` at the end.
    fn page(&mut self, log: &Log) -> Option<Page>;
}

/// Some events in order, or why there are none.
pub(crate) type Page = Result<Vec<RecordedEvent>, ReadError>;

/// A read as a stream of single events, at most `limit`.
pub(crate) fn events(log: Arc<Log>, pages: impl Pages, limit: usize) -> EventStream {
    Box::pin(Events { log, state: State::Idle(pages), ready: VecDeque::new(), left: limit })
}

struct Events<P> {
    log: Arc<Log>,
    state: State<P>,
    ready: VecDeque<RecordedEvent>,
    left: usize,
}

enum State<P> {
    Idle(P),
    Fetching(JoinHandle<(P, Option<Page>)>),
    Fetched(P, Option<Page>),
    Done,
}

impl<P: Pages> State<P> {
    /// Fetches a page on a thread that may block; on this one where there is no runtime to ask for another.
    fn fetch(mut pages: P, log: Arc<Log>) -> Self {
        let work = move || {
            let page = pages.page(&log);
            (pages, page)
        };
        match Handle::try_current() {
            Ok(runtime) => Self::Fetching(runtime.spawn_blocking(work)),
            Err(_) => {
                let (pages, page) = work();
                Self::Fetched(pages, page)
            }
        }
    }
}

impl<P: Pages> Events<P> {
    /// Takes a page in; `Some` is an error to hand on.
    fn receive(&mut self, pages: P, page: Option<Page>) -> Option<ReadError> {
        match page {
            None => None,
            Some(Err(error)) => Some(error),
            Some(Ok(events)) => {
                self.ready = events.into();
                let long = LONG_PAGE <= self.ready.len() && self.ready.len() < self.left;
                self.state = if long { State::fetch(pages, self.log.clone()) } else { State::Idle(pages) };
                None
            }
        }
    }
}

impl<P: Pages> Stream for Events<P> {
    type Item = Result<RecordedEvent, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.left == 0 {
                this.state = State::Done;
                return Poll::Ready(None);
            }
            if let Some(event) = this.ready.pop_front() {
                this.left -= 1;
                return Poll::Ready(Some(Ok(event)));
            }
            // A reader that finds everything in memory would otherwise never let others run.
            if std::pin::pin!(tokio::task::coop::consume_budget()).poll(context).is_pending() {
                return Poll::Pending;
            }
            let failed = match std::mem::replace(&mut this.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Idle(mut pages) => match pages.quick(&this.log) {
                    Some(page) => this.receive(pages, Some(page)),
                    None => {
                        this.state = State::fetch(pages, this.log.clone());
                        None
                    }
                },
                State::Fetched(pages, page) => this.receive(pages, page),
                State::Fetching(mut task) => match Pin::new(&mut task).poll(context) {
                    Poll::Pending => {
                        this.state = State::Fetching(task);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((pages, page))) => this.receive(pages, page),
                    Poll::Ready(Err(error)) => Some(ReadError::Unavailable { reason: error.to_string() }),
                },
            };
            if let Some(error) = failed {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}
