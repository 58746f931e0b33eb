//! A log on a server, as a store.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_api::{LogInfo, StreamsPage, StreamsQuery};
use gesta_core::{
    AppendBatch, AppendError, Appended, Capabilities, EventStore, EventStream, ListStreams, LogHead,
    Position, ReadAll, ReadError, ReadStream, StreamCatalog, StreamInfo, Wakeups, limits,
};

use crate::{
    Client, Error,
    client::{Call, within},
};

mod append;
mod read;
mod wakeup;

/// A log on a server: keeps the laws of [`EventStore`] over the network, whatever breaks on the way.
///
/// An append is sent again, with the same ids, while the trouble is transient; a read is paged and each page tried
/// again. Must be used inside a Tokio runtime. A filter without a tenant means the client's own.
///
/// ```no_run
/// use gesta_client::{Client, HttpStore};
/// use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = HttpStore::connect(Client::new("http://127.0.0.1:8087")?).await?;
/// let placed = NewEvent::json("order.placed", &serde_json::json!({"total": 42}))?;
/// let batch = AppendBatch::to("order-1".parse()?, ExpectedVersion::NoStream, [placed]);
/// println!("at position {}", store.append(batch).await?.last().position);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct HttpStore {
    client: Client,
    capabilities: Capabilities,
    hints: Arc<wakeup::Hints>,
}

impl HttpStore {
    /// Asks the server what its store keeps. Fails when it cannot be reached or refuses.
    pub async fn connect(client: Client) -> Result<Self, Error> {
        let info: LogInfo = client.get("/api/v1/log/head").await?;
        let hints = wakeup::Hints::new(client.clone(), Position::new(info.position));
        Ok(Self { client, capabilities: info.capabilities, hints: Arc::new(hints) })
    }
}

#[async_trait]
impl EventStore for HttpStore {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        append::append(&self.client, batch).await
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        read::stream(self.client.clone(), read)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        read::log(self.client.clone(), read)
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        let info: LogInfo = self.client.get("/api/v1/log/head").await.map_err(read::read_error)?;
        Ok(LogHead { incarnation: info.incarnation, position: Position::new(info.position) })
    }

    fn wakeups(&self) -> Wakeups {
        Wakeups::from_watch(wakeup::subscribe(&self.hints))
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

#[async_trait]
impl StreamCatalog for HttpStore {
    async fn list_streams(&self, list: ListStreams) -> Result<Vec<StreamInfo>, ReadError> {
        let mut found = Vec::new();
        let mut after = list.after;
        while found.len() < list.limit {
            let query = StreamsQuery {
                pattern: Some(list.pattern.as_str().to_owned()),
                after,
                limit: Some((list.limit - found.len()).min(limits::PAGE_EVENTS)),
                system: list.system,
            };
            let call = Call::get(within("/api/v1/streams", &query)).tenant(&list.tenant);
            let page: StreamsPage = self.client.retrying(call).await.map_err(read::read_error)?;
            found.extend(page.streams.into_iter().map(StreamInfo::from));
            match page.next.map(|next| next.parse()).transpose() {
                Ok(Some(next)) => after = Some(next),
                Ok(None) => break,
                Err(error) => return Err(ReadError::Unavailable { reason: error.to_string() }),
            }
        }
        Ok(found)
    }
}
