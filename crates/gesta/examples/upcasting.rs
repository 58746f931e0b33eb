//! The program of `docs/upcasting-and-snapshots.md`: patients whose first events have another shape than today's.
//!
//! Run it with `cargo run -p gesta --example upcasting`.

use std::sync::Arc;

use gesta::{
    Aggregate, Command, Context, Event, Repository,
    snapshot::SnapshotPolicy,
    upcast::{Unfit, Upcasters},
};
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, MemorySnapshots, MemoryStore, NewEvent, Tenant, Version,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) first: String,
    pub(crate) last: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Created {
    pub(crate) patient_id: String,
    pub(crate) name: Name,
    #[serde(default)]
    pub(crate) identifiers: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Merged {
    pub(crate) patient_id: String,
    pub(crate) into: String,
}

#[derive(Debug, Clone, PartialEq, Event)]
pub(crate) enum PatientEvent {
    #[event(name = "Patient.Created", schema_version = 2, aliases("PATIENT_CREATED"))]
    Created(Created),
    #[event(name = "Patient.Merged", aliases("PATIENT_MERGED", "PATIENTS_MERGED"))]
    Merged(Merged),
}

/// Schema 1 has `first_name` and `last_name`, or one `name` that is split at its last space.
fn name_in_parts(mut data: Value) -> Result<Value, Unfit> {
    let fields = data.as_object_mut().ok_or("it is no object")?;
    let mut text = |key| fields.remove(key).and_then(|value| value.as_str().map(str::to_owned));
    let (first, last) = match (text("first_name"), text("last_name"), text("name")) {
        (Some(first), Some(last), None) => (first, last),
        (None, None, Some(whole)) => match whole.rsplit_once(' ') {
            Some((first, last)) => (first.to_owned(), last.to_owned()),
            None => (String::new(), whole),
        },
        _ => return Err("it has neither first_name and last_name nor a name".into()),
    };
    fields.insert("name".into(), json!({"first": first, "last": last}));
    Ok(data)
}

/// The plural spelling always had fields of its own.
fn merged_of_the_plural(data: Value) -> Result<Value, Unfit> {
    let source = data.get("source").ok_or("source is missing")?;
    let target = data.get("target").ok_or("target is missing")?;
    Ok(json!({"patient_id": source, "into": target}))
}

pub(crate) fn upcasters() -> Upcasters {
    Upcasters::new().step("Patient.Created", 1, name_in_parts).alias("PATIENTS_MERGED", merged_of_the_plural)
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Patient {
    pub(crate) name: Option<String>,
    pub(crate) into: Option<String>,
}

impl Aggregate for Patient {
    const CATEGORY: &'static str = "patient";
    /// The patient to merge into.
    type Command = String;
    type Event = PatientEvent;
    type Rejection = std::convert::Infallible;

    fn decide(&self, into: &String, context: &Context<'_>) -> Result<Vec<PatientEvent>, Self::Rejection> {
        let (patient_id, into) = (context.id.to_owned(), into.clone());
        Ok(vec![PatientEvent::Merged(Merged { patient_id, into })])
    }

    fn apply(&mut self, event: &PatientEvent, _: &Context<'_>) {
        match event {
            PatientEvent::Created(created) => self.name = Some(created.name.last.clone()),
            PatientEvent::Merged(merged) => self.into = Some(merged.into.clone()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(MemoryStore::new());
    let old = NewEvent::new("PATIENT_CREATED", r#"{"patient_id":"1","name":"Grace Hopper"}"#);
    store.append(AppendBatch::to("patient-1".parse()?, ExpectedVersion::NoStream, [old])).await?;

    let snapshots = Arc::new(MemorySnapshots::default());
    let policy = SnapshotPolicy { every: 100, keep: 5, ..SnapshotPolicy::default() };
    let patients =
        Repository::<Patient>::new(store).with_upcasters(upcasters())?.with_snapshots(snapshots, policy);

    let merged = patients.execute(Command::new("1", "9".to_owned())).await?;
    assert_eq!(merged.state.name.as_deref(), Some("Hopper"));

    let before = patients.load_version(&Tenant::default(), "1", Version::new(1)).await?;
    println!("before the merge: {before:?}");
    Ok(())
}
