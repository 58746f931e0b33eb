//! Old events are read in today's shape, and stay as they were stored.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::TryStreamExt;
use gesta::{
    Aggregates, Command, Event, ProjectionError, Repository,
    scenario::{self, stored},
    upcast::{self, InvalidUpcasters, Undecodable, Upcasters},
};
use gesta_core::{AppendBatch, EventStore, ExpectedVersion, MemoryStore, NewEvent, ReadStream};
use serde_json::{Value, json};

use super::{
    concert::tenant,
    patient::{Patient, PatientEvent, upcasters},
};

fn golden() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/patient")
}

#[test]
fn the_program_does_what_the_page_says() {
    super::patient::main().expect("runs");
}

/// DEC-69, G16: the oldest stored example of every version.
#[test]
fn every_example_that_was_ever_stored_is_read() {
    upcasters().check::<PatientEvent>().expect("has every step");
    assert_eq!(scenario::golden_files::<PatientEvent>(&upcasters(), golden()), 5);
}

#[test]
fn a_wrong_upcaster_is_caught_by_the_examples() {
    let wrong = upcasters().alias("PATIENT_CREATED", |_| Ok(json!({"name": "X Y", "patient_id": "p-2"})));
    let panic = catch_unwind(AssertUnwindSafe(|| scenario::golden_files::<PatientEvent>(&wrong, golden())))
        .expect_err("must fail");
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("created.1.single-name.json is read as something else"), "{said}");
    assert!(said.contains("Grace Brewster") && said.contains("\"X\""), "both sides: {said}");
}

#[test]
fn a_version_without_an_example_is_named() {
    #[derive(Debug, Clone, PartialEq, Event)]
    enum Newer {
        #[event(name = "Patient.Created", schema_version = 3, aliases("PATIENT_CREATED"))]
        Created(Value),
        #[event(name = "Patient.Merged", aliases("PATIENTS_MERGED"))]
        Merged(Value),
    }
    let newer = upcasters().step("Patient.Created", 2, Ok);
    let panic = catch_unwind(AssertUnwindSafe(|| scenario::golden_files::<Newer>(&newer, golden())))
        .expect_err("must fail");
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.starts_with("no example of Patient.Created schema version 3"), "{said}");
}

#[test]
fn what_cannot_be_read_says_where_what_and_what_to_do() {
    let cases = [
        (
            stored("Patient.Created", 1, &json!({"patient_id": "p"})),
            "its upcaster says: it has neither first_name",
        ),
        (
            stored("Patient.Created", 3, &json!({})),
            "this program knows versions up to 2; run the newer program",
        ),
        (stored("Patient.Created", 2, &json!({"name": 1})), "the type does not fit what was stored"),
        (stored("Patient.Lost", 1, &json!({})), "no kind of event is called so; add a variant"),
    ];
    for (event, expected) in cases {
        let said = upcasters().decode::<PatientEvent>(&event).expect_err("cannot be read").to_string();
        let place = format!(
            "event 1 of stream stored-1 ({}, schema version {})",
            event.event_type, event.schema_version
        );
        assert!(said.starts_with(&place) && said.contains(expected), "{said}");
    }
    let error =
        upcast::decode::<PatientEvent>(&stored("PATIENT_CREATED", 1, &json!({}))).expect_err("no upcaster");
    assert!(matches!(error.cause, Undecodable::NoUpcaster { from: 1 }));
    let avro = gesta_core::RecordedEvent {
        content_type: "application/avro".into(),
        ..stored("Patient.Created", 2, &json!({}))
    };
    let error = upcasters().decode::<PatientEvent>(&avro).expect_err("no JSON");
    assert!(error.to_string().contains("its data is application/avro"), "{error}");
}

/// Reasons reach the log and the status of a processor, where no payload belongs.
#[test]
fn what_cannot_be_read_is_not_repeated() {
    let event = stored("Patient.Created", 2, &json!({"patient_id": ["Grace Hopper"]}));
    let error = upcasters().decode::<PatientEvent>(&event).expect_err("no such shape");
    let said = error.to_string();
    assert!(said.contains("another shape at line 1, column ") && !said.contains("Grace"), "{said}");
    let no_number = || serde_json::from_str::<u32>("\"Grace Hopper\"").expect_err("no number");
    assert!(no_number().to_string().contains("Grace"), "serde's own words");
    let old = Upcasters::new().step("Patient.Created", 1, move |_| Err(no_number().into()));
    let upcast = old.decode::<PatientEvent>(&stored("Patient.Created", 1, &json!({}))).expect_err("unfit");
    for said in [ProjectionError::from(no_number()).to_string(), upcast.to_string()] {
        assert!(said.contains("another shape at line 1, column 14") && !said.contains("Grace"), "{said}");
    }
}

#[tokio::test]
async fn an_aggregate_goes_on_from_events_of_every_age() {
    let store = Arc::new(MemoryStore::new());
    let old = NewEvent::new("PATIENT_CREATED", r#"{"patient_id":"1","name":"Grace Hopper"}"#);
    let stream: gesta_core::StreamId = "patient-1".parse().expect("legal");
    store.append(AppendBatch::to(stream.clone(), ExpectedVersion::NoStream, [old])).await.expect("appends");

    let patients =
        Repository::<Patient>::new(store.clone()).with_upcasters(upcasters()).expect("has every step");
    let merged = patients.execute(Command::new("1", "p-9".to_owned())).await.expect("merges");
    assert_eq!(merged.state, Patient { name: Some("Hopper".into()), into: Some("p-9".into()) });

    let read = ReadStream::of(tenant(), stream);
    let events: Vec<_> = store.read_stream(read).try_collect().await.expect("reads");
    assert_eq!(events[0].data, r#"{"patient_id":"1","name":"Grace Hopper"}"#, "stored bytes stay");
    assert_eq!((&*events[1].event_type, events[1].schema_version), ("Patient.Merged", 1));
    let past = patients.history(&tenant(), "1", gesta_core::Version::EMPTY, 9).await.expect("reads");
    assert_eq!(past[0].data["name"], json!({"first": "Grace", "last": "Hopper"}), "shown in today's shape");
}

#[test]
fn a_missing_step_stops_the_start() {
    let patients = || Repository::<Patient>::new(Arc::new(MemoryStore::new()));
    let missing = InvalidUpcasters::Missing { event_type: "Patient.Created".into(), from: 1, current: 2 };
    assert_eq!(patients().with_upcasters(Upcasters::new()).expect_err("refused"), missing);
    assert!(missing.to_string().contains("add .step(\"Patient.Created\", 1, …)"), "{missing}");
    let refused = Aggregates::new().register(patients()).expect_err("refused, too");
    assert_eq!(refused.to_string(), missing.to_string());
}
