//! What events add up to, as a server folds them.

use gesta_api::{
    AggregateCategories, AggregateDiff, AggregateState, DiffQuery, FieldHistory, FieldQuery, StateQuery,
};

use crate::{
    Client, Error,
    client::{segment, within},
};

/// The states of aggregates, as the program folds them that the server is part of.
///
/// ```no_run
/// use gesta_api::StateQuery;
/// use gesta_client::{Aggregates, Client};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let aggregates = Aggregates::of(Client::new("http://127.0.0.1:8086")?);
/// let early = StateQuery { version: Some(2), ..StateQuery::default() };
/// println!("{}", aggregates.state("order", "42", &early).await?.state);
/// for set in aggregates.field("order", "42", "/status").await?.changes {
///     println!("{} by event {} ({})", set.at, set.event_id, set.event_type);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Aggregates(Client);

impl Aggregates {
    /// Those of this server. Nothing is sent yet.
    pub fn of(client: Client) -> Self {
        Self(client)
    }

    /// The categories that the server can fold.
    pub async fn categories(&self) -> Result<Vec<String>, Error> {
        self.0.get::<AggregateCategories>("/api/v1/aggregates").await.map(|known| known.categories)
    }

    /// A state: the latest, at a version, or at a time. Fails with 404 when there is none.
    pub async fn state(&self, category: &str, id: &str, query: &StateQuery) -> Result<AggregateState, Error> {
        self.0.get(&within(&path(category, id), query)).await
    }

    /// What has changed between two versions.
    pub async fn diff(&self, category: &str, id: &str, query: &DiffQuery) -> Result<AggregateDiff, Error> {
        self.0.get(&within(&format!("{}/diff", path(category, id)), query)).await
    }

    /// Which events set a field, named by its JSON pointer, oldest first: the latest 100.
    pub async fn field(&self, category: &str, id: &str, field: &str) -> Result<FieldHistory, Error> {
        let query = FieldQuery { field: Some(field.to_owned()), limit: None };
        self.0.get(&within(&format!("{}/history", path(category, id)), &query)).await
    }
}

fn path(category: &str, id: &str) -> String {
    format!("/api/v1/aggregates/{}/{}", segment(category), segment(id))
}
