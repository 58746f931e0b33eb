//! The program of `docs/first-domain.md`: parcels that are received and handed over, tested, stored and listed.
//!
//! Run it with `cargo run -p gesta --example first_domain -- parcel-data`.

use std::{path::Path, sync::Arc, time::Duration};

use gesta::{
    Aggregate, Command, Context, Event, ProcessorOptions, Processors, Projection, ProjectionError, Rejection,
    Repository, Rows, Table, repository::ExecuteError, snapshot::SnapshotPolicy, upcast,
};
use gesta_core::{
    EventStore, Filter, RecordedEvent, SystemClock, Tenant, Timestamp, Version,
    read_model::{ReadModelStore, Statement},
    values,
};
use gesta_file::{FileStore, Options};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Received {
    recipient: String,
    received_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct HandedOver {
    to: String,
}

#[derive(Debug, Clone, PartialEq, Event)]
enum ParcelEvent {
    #[event(name = "ParcelReceived")]
    Received(Received),
    #[event(name = "ParcelHandedOver")]
    HandedOver(HandedOver),
}

#[derive(Debug, Clone)]
enum ParcelCommand {
    Receive { recipient: String },
    HandOver { to: String },
}

#[derive(Debug, thiserror::Error)]
enum ParcelRejection {
    #[error("the parcel is here already")]
    AlreadyReceived,
    #[error("there is no such parcel")]
    NotReceived,
    #[error("the parcel is for {recipient}")]
    NotTheRecipient { recipient: String },
}

impl Rejection for ParcelRejection {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyReceived => "AlreadyReceived",
            Self::NotReceived => "NotReceived",
            Self::NotTheRecipient { .. } => "NotTheRecipient",
        }
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Parcel {
    recipient: Option<String>,
    handed_over: bool,
}

impl Aggregate for Parcel {
    const CATEGORY: &'static str = "parcel";
    type Command = ParcelCommand;
    type Event = ParcelEvent;
    type Rejection = ParcelRejection;

    fn decide(
        &self,
        command: &ParcelCommand,
        context: &Context<'_>,
    ) -> Result<Vec<ParcelEvent>, ParcelRejection> {
        match (command, &self.recipient) {
            (ParcelCommand::Receive { .. }, Some(_)) => Err(ParcelRejection::AlreadyReceived),
            (ParcelCommand::Receive { recipient }, None) => {
                let (recipient, received_at) = (recipient.clone(), context.at);
                Ok(vec![ParcelEvent::Received(Received { recipient, received_at })])
            }
            (ParcelCommand::HandOver { .. }, None) => Err(ParcelRejection::NotReceived),
            (ParcelCommand::HandOver { to }, Some(recipient)) if to != recipient => {
                Err(ParcelRejection::NotTheRecipient { recipient: recipient.clone() })
            }
            (ParcelCommand::HandOver { .. }, _) if self.handed_over => Ok(vec![]),
            (ParcelCommand::HandOver { to }, _) => {
                Ok(vec![ParcelEvent::HandedOver(HandedOver { to: to.clone() })])
            }
        }
    }

    fn apply(&mut self, event: &ParcelEvent, _context: &Context<'_>) {
        match event {
            ParcelEvent::Received(received) => self.recipient = Some(received.recipient.clone()),
            ParcelEvent::HandedOver(_) => self.handed_over = true,
        }
    }
}

struct WaitingParcels;

impl Projection for WaitingParcels {
    fn name(&self) -> &str {
        "waiting-parcels-projection"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default()).types(ParcelEvent::types())
    }

    fn tables(&self) -> Vec<Table> {
        let create = "CREATE TABLE {waiting_parcels} (parcel_id TEXT PRIMARY KEY, recipient TEXT NOT NULL, since TEXT)";
        vec![Table::new("waiting_parcels", create)]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        let parcel = event.stream.key();
        match upcast::decode(event).map_err(ProjectionError::new)? {
            ParcelEvent::Received(Received { recipient, received_at }) => rows.execute(
                "INSERT INTO {waiting_parcels} VALUES ($1, $2, $3)",
                values![parcel, recipient, received_at.to_string()],
            ),
            ParcelEvent::HandedOver(_) => {
                rows.execute("DELETE FROM {waiting_parcels} WHERE parcel_id = $1", values![parcel]);
            }
        }
        Ok(())
    }
}

async fn waiting_for(
    read_models: &dyn ReadModelStore,
    recipient: &str,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let query = "SELECT parcel_id FROM waiting_parcels WHERE recipient = $1 ORDER BY parcel_id";
    let rows = read_models.query(Statement::new(query, values![recipient])).await?;
    rows.iter().map(|row| Ok(row.get("parcel_id")?)).collect()
}

async fn run(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let files = Arc::new(FileStore::open(folder, Options::default())?);
    let (checkpoints, read_models) = (files.checkpoints(), files.read_models());
    let store: Arc<dyn EventStore> = files.clone();

    let parcels =
        Repository::<Parcel>::new(store.clone()).with_snapshots(files.snapshots(), SnapshotPolicy::default());
    let processors = Processors::new(store, checkpoints, Arc::new(SystemClock), "front-desk")
        .with_read_models(read_models.clone());
    processors.add_projection(WaitingParcels, ProcessorOptions::default()).await?;
    processors.start_all().await?;

    // The label on the parcel: whoever asks makes the command's id, so that asking again is no second request.
    let label = Uuid::from_u128(4711);
    let receive = ParcelCommand::Receive { recipient: "ada".into() };
    let receive = Command::new("7", receive).with_id(label).by("front-desk");
    let received = parcels.execute(receive.clone()).await?;
    assert_eq!(received.version, Version::new(1));
    assert!(parcels.execute(receive).await?.repeated, "the same command again changes nothing");

    if let Some(position) = received.position() {
        processors.wait_for("waiting-parcels", position, Duration::from_secs(5)).await?;
    }
    assert_eq!(waiting_for(&*read_models, "ada").await?, ["7"]);

    let wrong = Command::new("7", ParcelCommand::HandOver { to: "bob".into() });
    match parcels.execute(wrong).await {
        Err(ExecuteError::Rejected(no)) => println!("{}: {no}", no.code()),
        other => return Err(format!("expected a no, not {other:?}").into()),
    }

    processors.shutdown().await;
    files.close().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "parcel-data".into());
    run(Path::new(&folder)).await
}

#[cfg(test)]
mod tests {
    use gesta::scenario::{self, Recording};
    use proptest::prelude::*;

    use super::*;

    fn received(recipient: &str, received_at: Timestamp) -> ParcelEvent {
        ParcelEvent::Received(Received { recipient: recipient.into(), received_at })
    }

    fn handed_over(to: &str) -> ParcelEvent {
        ParcelEvent::HandedOver(HandedOver { to: to.into() })
    }

    fn hand_over(to: &str) -> ParcelCommand {
        ParcelCommand::HandOver { to: to.into() }
    }

    #[test]
    fn a_parcel_is_handed_to_its_recipient_only() {
        let noon: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        scenario::of::<Parcel>()
            .at(noon)
            .when(ParcelCommand::Receive { recipient: "ada".into() })
            .then([received("ada", noon)])
            .when(hand_over("bob"))
            .then_rejected("NotTheRecipient")
            .after(Duration::from_secs(3600))
            .when(hand_over("ada"))
            .then([handed_over("ada")])
            .when(hand_over("ada"))
            .then_nothing()
            .then_state(Parcel { recipient: Some("ada".into()), handed_over: true });
    }

    fn any_command() -> impl Strategy<Value = ParcelCommand> {
        prop_oneof![
            "[ab]".prop_map(|recipient| ParcelCommand::Receive { recipient }),
            "[ab]".prop_map(|to| ParcelCommand::HandOver { to }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_handed_over_that_was_not_received(commands in prop::collection::vec(any_command(), 0..20)) {
            scenario::any_sequence::<Parcel>(commands, |parcel| {
                assert!(!parcel.handed_over || parcel.recipient.is_some());
            });
        }
    }

    #[tokio::test]
    async fn a_parcel_waits_until_it_is_handed_over() {
        let read_models = gesta_file::read_models_in_memory().expect("SQLite");
        let events = Recording::new()
            .of("parcel-7", [received("ada", Timestamp::default())])
            .of("parcel-8", [received("ada", Timestamp::default()), handed_over("ada")])
            .into_events();
        scenario::project(&WaitingParcels, &events, &*read_models).await;
        assert_eq!(waiting_for(&*read_models, "ada").await.expect("answers"), ["7"]);
    }

    #[tokio::test]
    async fn the_program_does_what_the_page_says() {
        let folder = tempfile::tempdir().expect("a folder");
        run(folder.path()).await.expect("runs");
        run(folder.path()).await.expect("runs again on the same folder");
    }
}
