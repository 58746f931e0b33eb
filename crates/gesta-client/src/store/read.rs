//! Reading over the wire: page by page behind one stream of events.

use std::collections::VecDeque;

use futures_util::stream;
use gesta_api::{Code, LogPage, LogQuery, StreamPage, StreamQuery};
use gesta_core::{
    Direction, EventStream, Filter, ReadAll, ReadError, ReadStream, RecordedEvent, StreamId, Tenant, limits,
};

use crate::{
    Error,
    client::{Call, Client, within},
};

/// A read on its way: where the next page is and what of the last one is still to be handed out.
struct Pages<F> {
    ready: VecDeque<RecordedEvent>,
    left: usize,
    next: Option<F>,
}

/// Fetches pages while there are some, and hands their events out one by one.
trait Fetch: Send + Sized + 'static {
    /// The next page, of at most so many events, and what fetches the one after it.
    fn page(
        self,
        most: usize,
    ) -> impl Future<Output = Result<(Vec<RecordedEvent>, Option<Self>), ReadError>> + Send;
}

fn events<F: Fetch>(first: F, limit: usize) -> EventStream {
    let pages = Pages { ready: VecDeque::new(), left: limit, next: Some(first) };
    Box::pin(stream::try_unfold(pages, |mut pages| async move {
        loop {
            if pages.left == 0 {
                return Ok(None);
            }
            if let Some(event) = pages.ready.pop_front() {
                pages.left -= 1;
                return Ok(Some((event, pages)));
            }
            let Some(fetch) = pages.next.take() else { return Ok(None) };
            let (events, next) = fetch.page(pages.left.min(limits::PAGE_EVENTS)).await?;
            pages.ready = events.into();
            pages.next = next;
        }
    }))
}

/// Reads one stream.
pub(super) fn stream(client: Client, read: ReadStream) -> EventStream {
    let query = StreamQuery {
        after: (read.after.get() > 0).then_some(read.after.get()),
        up_to: (read.up_to.get() < u64::MAX).then_some(read.up_to.get()),
        limit: None,
        direction: (read.direction == Direction::Backwards).then_some(Direction::Backwards),
    };
    let first = StreamPages { client, tenant: read.tenant, stream: read.stream, query };
    if read.after >= read.up_to { nothing() } else { events(first, read.limit) }
}

fn nothing() -> EventStream {
    Box::pin(stream::empty())
}

struct StreamPages {
    client: Client,
    tenant: Tenant,
    stream: StreamId,
    query: StreamQuery,
}

impl Fetch for StreamPages {
    async fn page(mut self, most: usize) -> Result<(Vec<RecordedEvent>, Option<Self>), ReadError> {
        self.query.limit = Some(most);
        let path = within(&format!("/api/v1/streams/{}", self.stream), &self.query);
        let call = Call::get(path).tenant(&self.tenant);
        let page: StreamPage<'static> = match self.client.retrying(call).await {
            Ok(page) => page,
            // To the port a stream that nobody wrote to is empty.
            Err(error) if code(&error) == Some(Code::StreamNotFound) => return Ok((vec![], None)),
            Err(error) => return Err(read_error(error)),
        };
        let events = recorded(&self.client, page.events)?;
        let next = page.next.map(|next| {
            // The first page fixes how far this read goes: what comes later is for a later read.
            self.query.up_to = Some(self.query.up_to.unwrap_or(page.version).min(page.version));
            match self.query.direction {
                Some(Direction::Backwards) => self.query.up_to = Some(next),
                _ => self.query.after = Some(next),
            }
            self
        });
        Ok((events, next))
    }
}

/// Reads the log.
pub(super) fn log(client: Client, read: ReadAll) -> EventStream {
    let tenant = read.filter.tenant.clone().unwrap_or_else(|| client.tenant());
    let query = LogQuery {
        after_position: (read.after.get() > 0).then_some(read.after.get()),
        up_to_position: (read.up_to.get() < u64::MAX).then_some(read.up_to.get()),
        direction: (read.direction == Direction::Backwards).then_some(Direction::Backwards),
        ..LogQuery::of(&read.filter)
    };
    let first = LogPages { client, tenant, filter: read.filter, query };
    if read.after >= read.up_to { nothing() } else { events(first, read.limit) }
}

struct LogPages {
    client: Client,
    tenant: Tenant,
    filter: Filter,
    query: LogQuery,
}

impl Fetch for LogPages {
    async fn page(mut self, most: usize) -> Result<(Vec<RecordedEvent>, Option<Self>), ReadError> {
        self.query.limit = Some(most);
        let path = within("/api/v1/log", &self.query);
        let call = Call::get(path).tenant(&self.tenant);
        let page: LogPage<'static> = self.client.retrying(call).await.map_err(read_error)?;
        let mut events = recorded(&self.client, page.events)?;
        // Whatever part of the filter a server does not know, no event that fails it is handed out.
        events.retain(|event| self.filter.accepts(event));
        let next = page.next.map(|cursor| {
            self.query.up_to_position = Some(self.query.up_to_position.unwrap_or(page.head).min(page.head));
            self.query.after = Some(cursor);
            if self.query.direction != Some(Direction::Backwards) {
                // Read forwards the cursor takes the place of the lower bound; read backwards that stays.
                self.query.after_position = None;
            }
            self
        });
        Ok((events, next))
    }
}

fn recorded(
    client: &Client,
    events: Vec<gesta_api::Event<'static>>,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let recorded = events.into_iter().map(gesta_api::Event::into_recorded).collect::<Result<_, _>>();
    recorded.map_err(|problem| read_error(client.malformed(&problem)))
}

fn code(error: &Error) -> Option<Code> {
    error.refusal()?.code()
}

/// A failed call as the port says it.
pub(super) fn read_error(error: Error) -> ReadError {
    let reason = error.to_string();
    match code(&error) {
        Some(Code::StoreDamaged) => ReadError::Damaged { place: "the server's log".into(), reason },
        Some(Code::Unsupported) => ReadError::Unsupported { what: "this kind of read" },
        _ => ReadError::Unavailable { reason },
    }
}
