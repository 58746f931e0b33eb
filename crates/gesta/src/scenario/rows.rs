//! Given events, then rows.

use std::time::Duration;

use gesta_core::{
    Checkpoint, CheckpointKey, Claim, Epoch, Position, RecordedEvent, Tenant,
    read_model::{Commit, ReadModelStore},
};

use crate::{Projection, Rows};

/// Whom the claim of a scenario belongs to; nobody else is there.
const OWNER: &str = "scenario";
const LEASE: Duration = Duration::from_secs(60);

/// Makes the tables of a projection in an empty place for read models and lets it project the events its filter wants.
/// The tables are called as in queries, so ask the place itself what is in them:
///
/// ```
/// # use gesta::*;
/// # use gesta_core::*;
/// # #[derive(Clone, Event)]
/// # enum ParcelEvent { #[event(name = "ParcelSent")] Sent(u32) }
/// # struct Parcels;
/// # impl Projection for Parcels {
/// #     fn name(&self) -> &str { "parcels" }
/// #     fn filter(&self) -> Filter { Filter::of(Tenant::default()).types(ParcelEvent::types()) }
/// #     fn tables(&self) -> Vec<Table> { vec![Table::new("parcels", "CREATE TABLE {parcels} (id TEXT)")] }
/// #     fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
/// #         rows.execute("INSERT INTO {parcels} VALUES ($1)", values![event.stream.key()]);
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use gesta::scenario::{self, Recording};
/// let read_models = gesta_file::read_models_in_memory()?;
/// let events = Recording::new().of("parcel-7", [ParcelEvent::Sent(1)]).into_events();
/// scenario::project(&Parcels, &events, &*read_models).await;
/// let found = read_models.query("SELECT id FROM parcels".into()).await?;
/// assert_eq!(found[0].get::<String>("id")?, "7");
/// # Ok(()) }
/// ```
///
/// Panics when the projection or one of its statements fails, with the event it failed at.
pub async fn project(
    projection: &(impl Projection + ?Sized),
    events: &[RecordedEvent],
    read_models: &dyn ReadModelStore,
) {
    let key = CheckpointKey::new(Tenant::default(), format!("scenario/{}", projection.name()));
    let claim = read_models.claim(&key, OWNER, LEASE).await;
    let Claim { epoch, .. } = claim.unwrap_or_else(|error| panic!("{error}"));
    let place = Place { read_models, key, epoch };
    place.write(Position::START, Position::START, tables(projection), "the tables").await;

    let (filter, mut after) = (projection.filter(), Position::START);
    for event in events.iter().filter(|event| filter.accepts(event)) {
        let what = format!("event {} of stream {} ({})", event.version, event.stream, event.event_type);
        let mut rows = Rows::of(projection);
        projection.project(event, &mut rows).unwrap_or_else(|error| panic!("{what}: {error}"));
        place.write(after, event.position, rows, &what).await;
        after = event.position;
    }
}

fn tables(projection: &(impl Projection + ?Sized)) -> Rows {
    let mut rows = Rows::of(projection);
    for table in projection.tables() {
        for statement in std::iter::once(&table.create).chain(&table.more) {
            rows.execute(statement, []);
        }
    }
    rows
}

/// Where the rows go.
struct Place<'a> {
    read_models: &'a dyn ReadModelStore,
    key: CheckpointKey,
    epoch: Epoch,
}

impl Place<'_> {
    async fn write(&self, after: Position, position: Position, mut rows: Rows, what: &str) {
        if let Some(error) = rows.take_wrong() {
            panic!("{what}: {error}");
        }
        let commit = Commit {
            key: self.key.clone(),
            epoch: self.epoch,
            after,
            checkpoint: Checkpoint { position, ..Checkpoint::default() },
            statements: rows.into_statements(),
        };
        self.read_models.commit(commit).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}
