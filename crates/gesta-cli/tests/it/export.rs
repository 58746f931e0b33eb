//! Exporting, and importing what was exported.

use crate::gesta::{Server, sample};

#[test]
fn what_is_exported_comes_back_whole_and_only_once() {
    let (server, other) = (Server::start(), Server::start());
    let pathway = ["--stream", "case-{case_id}", "--type", "{activity}", "--occurred-at", "timestamp"];
    server.run(&[&["import", &sample("pathway.csv")], &pathway[..]].concat()).ok();
    for (format, file, read_as) in
        [("ndjson", "events.ndjson", "exported"), ("cloudevents", "events.json", "cloudevents")]
    {
        let path = server.folder.path().join(file);
        let path = path.to_str().expect("text");
        let exported = server.run(&["export", path, "--format", format, "--output", "json"]).ok().json();
        assert_eq!(exported["exported"], 58);
        let imported = other.run(&["import", path, "--format", read_as, "--output", "json"]).ok().json();
        // The ids are kept, so the second format finds the events of the first one there.
        let added = if format == "ndjson" { 58 } else { 0 };
        assert_eq!((&imported["added"], &imported["streams"]), (&added.into(), &12.into()), "{format}");
    }
    let read = |server: &Server| server.run(&["read", "case-P03", "--output", "json"]).ok().out;
    let bare = |text: String| -> Vec<String> {
        text.lines().map(|line| line.split("\"metadata\"").nth(1).expect("metadata").to_owned()).collect()
    };
    assert_eq!(bare(read(&server)), bare(read(&other)));
}

#[test]
fn an_export_goes_on_where_it_stopped() {
    let server = Server::start();
    server.run(&["publish", "x", "1"]).ok();
    let export = || server.run(&["export", "e.ndjson", "--output", "json"]).ok().json()["exported"].clone();
    assert_eq!(export(), 1);
    assert_eq!(export(), 0);
    server.run(&["publish", "x", "2"]).ok();
    assert_eq!(export(), 1);
    let file = std::fs::read_to_string(server.folder.path().join("e.ndjson")).expect("readable");
    assert_eq!(file.lines().count(), 2);
    let out = server.run(&["export", "-"]).ok();
    assert_eq!(out.out, file);
}
