//! Importing files.

use std::path::PathBuf;

use crate::gesta::{Done, Server, done, sample};

const PATHWAY: [&str; 6] =
    ["--stream", "case-{case_id}", "--type", "{activity}", "--occurred-at", "timestamp"];

fn import(server: &Server, file: &str, more: &[&str]) -> Done {
    let arguments = [&["import", file, "--output", "json"], more].concat();
    server.run(&arguments)
}

#[test]
fn a_second_import_adds_nothing() {
    let server = Server::start();
    let first = import(&server, &sample("pathway.csv"), &PATHWAY).ok().json();
    assert_eq!(
        (&first["added"], &first["already_there"], &first["streams"]),
        (&58.into(), &0.into(), &12.into())
    );
    let second = import(&server, &sample("pathway.csv"), &PATHWAY).ok().json();
    assert_eq!((&second["added"], &second["already_there"]), (&0.into(), &58.into()));
    let text = server.run(&[&["import", &sample("pathway.csv")], &PATHWAY[..]].concat()).ok();
    assert_eq!(text.out, "58 events in 12 streams: 0 added, 58 already there; 0 rows refused\n");
}

#[test]
fn rows_keep_their_order_time_and_types() {
    let server = Server::start();
    import(&server, &sample("pathway.csv"), &PATHWAY).ok();
    let read = server.run(&["read", "case-P01", "--output", "json"]).ok();
    let events: Vec<serde_json::Value> =
        read.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events[0]["type"], "Arrived");
    assert_eq!(events[1]["type"], "Triaged");
    assert_eq!(events[1]["metadata"]["occurred_at"], "2026-01-31T06:59:19.000000Z");
    assert_eq!(events[1]["metadata"]["source"], "pathway.csv");
    assert_eq!(
        (&events[1]["data"]["temperature"], &events[1]["data"]["urgent"]),
        (&38.3.into(), &true.into())
    );
    assert!(events[0]["data"].get("temperature").is_none(), "an empty cell is absent");
}

#[test]
fn a_grown_file_adds_only_what_is_new() {
    let server = Server::start();
    let whole = std::fs::read_to_string(sample("pathway.csv")).expect("a sample");
    let part: String = whole.lines().take(31).map(|line| format!("{line}\n")).collect();
    let more = ["--source", "ward", "--batch", "7"];
    let file = server.folder.path().join("grown.csv");
    let grow = |text: &str| {
        std::fs::write(&file, text).expect("written");
        import(&server, file.to_str().expect("text"), &[&PATHWAY[..], &more].concat()).ok().json()
    };
    assert_eq!(grow(&part)["added"], 30);
    let grown = grow(&whole);
    assert_eq!((&grown["added"], &grown["already_there"]), (&28.into(), &30.into()));
}

#[test]
fn a_row_that_cannot_be_an_event_is_named_and_the_rest_goes_on_if_asked_to() {
    let server = Server::start();
    let file =
        "case_id,activity,timestamp\nA,Arrived,2026-01-31T08:00:00Z\nA,Left,later\n,Left,\nB,Arrived,\n";
    let run = |more: &[&str]| {
        let arguments =
            [&["import", "-", "--format", "csv", "--output", "json"], &PATHWAY[..], more].concat();
        done(&mut server.command(&arguments), file)
    };
    let stopped = run(&[]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    assert_eq!((&stopped.json()["added"], &stopped.json()["refused"]), (&1.into(), &1.into()));
    assert!(stopped.err.contains("line 3") && stopped.err.contains("--on-error skip"), "{stopped:?}");
    let skipped = run(&["--on-error", "skip"]);
    assert_eq!((&skipped.json()["added"], &skipped.json()["already_there"]), (&1.into(), &1.into()));
    assert_eq!(skipped.json()["refusals"][1]["line"], 4, "{skipped:?}");
}

#[test]
fn a_column_that_is_not_there_is_named_before_anything_is_sent() {
    let server = Server::start();
    let done = import(&server, &sample("pathway.csv"), &["--stream", "case-{patient}", "--type", "x"]);
    assert!(done.code == 1 && done.err.contains("\"patient\"") && done.err.contains("case_id"), "{done:?}");
}

#[test]
fn json_lines_and_cloudevents_are_imported_too() {
    let server = Server::start();
    let lines = ["--stream", "sample-{sample}", "--type", "{kind}", "--occurred-at", "at"];
    for added in [5, 0] {
        assert_eq!(import(&server, &sample("samples.ndjson"), &lines).ok().json()["added"], added);
    }
    let events = ["--format", "cloudevents", "--stream", "sequencer-{subject}"];
    for added in [3, 0] {
        assert_eq!(import(&server, &sample("cloudevents.json"), &events).ok().json()["added"], added);
    }
    let text = server.run(&["read", "--type", "run.finished", "--output", "json"]).ok().json();
    assert_eq!((&text["content_type"], text["data_base64"].is_string()), (&"text/plain".into(), true));
}

/// The real log of a hospital, where it is at hand.
#[test]
fn the_hospital_log_is_imported_once_and_handled_once() {
    let Some(folder) = std::env::var_os("GESTA_TEST_DATA").map(PathBuf::from) else { return };
    let file = folder.join("hospital-sepsis.csv");
    let file = file.to_str().expect("text");
    let server = Server::start();
    let more = [&PATHWAY[..], &["--delimiter", ";", "--null", "NA"]].concat();
    let first = import(&server, file, &more).ok().json();
    assert_eq!(
        (&first["added"], &first["streams"], &first["refused"]),
        (&10_707.into(), &735.into(), &0.into())
    );
    let second = import(&server, file, &more).ok().json();
    assert_eq!((&second["added"], &second["already_there"]), (&0.into(), &10_707.into()));
    server.run(&["groups", "create", "all", "--type", "*"]).ok();
    let drained =
        ["groups", "consume", "all", "--quiet", "--limit", "10707", "--output", "json", "--batch", "500"];
    assert_eq!(server.run(&drained).ok().json()["handled"], 10_707);
    let (code, folder) = server.stop();
    let verified = done(crate::gesta::gesta().arg("verify").arg(folder.path().join("data")), "");
    assert_eq!((code, verified.code), (0, 0), "{verified:?}");
}
