//! Events as they come, over however many connections it takes.

use std::{collections::VecDeque, time::Duration};

use backon::ExponentialBackoff;
use futures_core::Stream;
use futures_util::stream;
use gesta_api::{LogInfo, LogQuery};
use gesta_core::{Filter, Position, RecordedEvent, StreamId, Version};
use http::{HeaderName, HeaderValue, header::ACCEPT};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{
    Client, Error,
    client::{Call, within},
    retry, sse,
};

/// A connection on which nothing comes for this long is given up; the server sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The events of a log or a stream, first those that are there, then each as it comes.
///
/// A broken connection is made again, for as long as it takes, and goes on behind the last event handed out:
/// nothing is left out, and nothing comes twice. Only a refusal that waiting does not change is an error.
///
/// ```no_run
/// use gesta_client::{Client, Subscription};
/// use gesta_core::{Filter, Tenant};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new("http://127.0.0.1:8087")?;
/// let filter = Filter::of(Tenant::default()).types(["sample.*"]);
/// let mut subscription = Subscription::of(client, &filter).from_head();
/// loop {
///     let event = subscription.next().await?;
///     println!("{} {}", event.position, event.event_type);
/// }
/// # }
/// ```
pub struct Subscription {
    client: Client,
    path: String,
    query: LogQuery,
    at_head: bool,
    cursor: Option<String>,
    last: Position,
    connection: Option<Connection>,
    ready: VecDeque<(Option<RecordedEvent>, Option<String>)>,
    pauses: ExponentialBackoff,
    asked: Option<Duration>,
}

struct Connection {
    body: Incoming,
    parser: sse::Parser,
}

impl Subscription {
    /// The events of the log that pass a filter, from the beginning. The tenant is the client's.
    pub fn of(client: Client, filter: &Filter) -> Self {
        Self::new(client, "/api/v1/log/stream".to_owned(), LogQuery::of(filter))
    }

    /// The events of one stream behind a version.
    pub fn of_stream(client: Client, stream: &StreamId, after: Version) -> Self {
        let query = LogQuery { after: Some(after.to_string()), ..LogQuery::default() };
        Self::new(client, format!("/api/v1/streams/{stream}/stream"), query)
    }

    fn new(client: Client, path: String, query: LogQuery) -> Self {
        let pauses = retry::reconnect();
        let (cursor, last) = (None, Position::START);
        let (connection, ready, asked) = (None, VecDeque::new(), None);
        Self { client, path, query, at_head: false, cursor, last, connection, ready, pauses, asked }
    }

    /// The same, behind a cursor that [`Subscription::cursor`] gave.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The same, behind a position of the log.
    pub fn after_position(mut self, position: Position) -> Self {
        self.query.after_position = Some(position.get());
        self
    }

    /// The same, with what comes after the first call of [`Subscription::next`] only.
    pub fn from_head(mut self) -> Self {
        self.at_head = true;
        self
    }

    /// Where to go on later: behind the last event handed out. `None` before the first one.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next event; waits until there is one. Safe to drop: nothing is lost.
    pub async fn next(&mut self) -> Result<RecordedEvent, Error> {
        loop {
            while let Some((event, cursor)) = self.ready.pop_front() {
                self.cursor = cursor.or(self.cursor.take());
                // A server that repeats itself after a reconnection is not passed on.
                if let Some(event) = event.filter(|event| event.position > self.last) {
                    self.last = event.position;
                    return Ok(event);
                }
            }
            if let Err(error) = self.receive().await {
                self.connection = None;
                if !error.is_transient() {
                    return Err(error);
                }
                tracing::debug!(%error, "the subscription connects again");
                let pause = self.pauses.next().unwrap_or(Duration::from_secs(5));
                let asked = error.retry_after().or(self.asked);
                tokio::time::sleep(retry::pause(pause, asked)).await;
            }
        }
    }

    /// The events as a stream; it ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<RecordedEvent, Error>> + Send {
        stream::try_unfold(self, |mut subscription| async move {
            let event = subscription.next().await?;
            Ok(Some((event, subscription)))
        })
    }

    /// Waits for the next piece of the connection, which is made first if there is none.
    async fn receive(&mut self) -> Result<(), Error> {
        if self.connection.is_none() {
            self.connection = Some(self.connect().await?);
        }
        let connection = self.connection.as_mut().expect("it was just made");
        let frame = tokio::time::timeout(SILENCE, connection.body.frame()).await;
        let bytes = match frame {
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(error))) => return Err(self.client.unknown(error.to_string())),
            Ok(None) => return Err(self.client.unknown("the stream ended".to_owned())),
            Err(_) => return Err(self.client.unknown(format!("nothing came for {} s", SILENCE.as_secs()))),
        };
        connection.parser.feed(&bytes).map_err(|error| self.client.malformed(&error))?;
        self.asked = connection.parser.retry().or(self.asked);
        while let Some(message) = connection.parser.next() {
            self.pauses = retry::reconnect();
            let event = event(&self.client, &message)?;
            self.ready.push_back((event, message.id));
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<Connection, Error> {
        if self.at_head && self.cursor.is_none() {
            // The cursor is fixed before the first connection: one that breaks at once must not move it.
            let info: LogInfo = self.client.get("/api/v1/log/head").await?;
            self.cursor = Some(info.cursor);
        }
        let mut call = Call::get(within(&self.path, &self.query))
            .header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(cursor) = &self.cursor {
            let value = HeaderValue::from_str(cursor).map_err(|_| Error::Request {
                reason: "this is no cursor: use one that a server gave".into(),
            })?;
            call = call.header(LAST_EVENT_ID, value);
        }
        let body = self.client.open(call).await?.into_body();
        Ok(Connection { body, parser: sse::Parser::after(self.cursor.clone()) })
    }
}

/// The event of a message; a message of another kind tells at most how far the server has looked.
fn event(client: &Client, message: &sse::Message) -> Result<Option<RecordedEvent>, Error> {
    if message.event != "event" {
        return Ok(None);
    }
    let event: gesta_api::Event<'static> =
        serde_json::from_str(&message.data).map_err(|error| client.malformed(&error))?;
    event.into_recorded().map(Some).map_err(|problem| client.malformed(&problem))
}
