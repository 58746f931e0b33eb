//! What commands print, for people and for programs, reviewed like code.

use crate::gesta::{Server, stable};

const ID: &str = "00000000-0000-0000-0000-0000000000aa";

const COMMANDS: &str = r#"
    publish sample.created {"barcode":"S1"} --subject sample-1 --priority 2 --id ID
    publish sample.created {"barcode":"S1"} --subject sample-1 --priority 2 --id ID
    append sample-2 sample.created --expect no_stream --durability relaxed
    append sample-1 sample.validated {"ok":true} --expect 1 --with user_id=ada
    read
    read sample-1 --backwards --limit 1
    read --type *.validated
    tail --from start --limit 1 --type sample.created
    streams sample-*
    event ID
    groups create wards --type sample.* --from start --retry-delays-ms 0,1000
    groups list
    groups remove wards
"#;

/// Runs commands one after the other and writes down what came of each. A durable append comes behind the relaxed one:
/// what was ordered before it is readable once it is answered.
fn transcript(output: &str) -> String {
    let server = Server::start();
    let mut text = String::new();
    for command in COMMANDS.trim().replace("ID", ID).lines() {
        let line = format!("{} --output {output}", command.trim());
        let done = server.run(&line.split(' ').collect::<Vec<_>>());
        text +=
            &format!("$ gesta {line}\n{}{}[exit {}]\n\n", stable(&done.out), stable(&done.err), done.code);
    }
    without_cursors(&text)
}

/// A cursor is sealed and differs from run to run.
fn without_cursors(text: &str) -> String {
    let hide = |line: &str| match line.split_once("--after ") {
        Some((before, _)) if line.starts_with("go on") => format!("{before}--after [cursor]"),
        _ => line.to_owned(),
    };
    text.lines().map(hide).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_people_read() {
    insta::assert_snapshot!(transcript("text"));
}

#[test]
fn what_programs_read() {
    insta::assert_snapshot!(transcript("json"));
}

#[test]
fn stats_say_how_the_server_fares() {
    let server = Server::start();
    server.run(&["publish", "x", "--source", "lab"]).ok();
    let json = server.run(&["stats", "--output", "json"]).ok().json();
    assert_eq!(
        (&json["health"]["status"], &json["stats"]["events_published"]),
        (&"healthy".into(), &1.into())
    );
    let text = server.run(&["stats"]).ok().out;
    assert!(text.starts_with("status     healthy"), "{text}");
}
