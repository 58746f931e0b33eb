//! Ctrl-C: nothing is lost, and it is said how to go on.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use crate::gesta::{Server, signal, until, wait};

#[test]
fn a_tail_that_is_stopped_says_where_to_go_on() {
    let server = Server::start();
    server.run(&["publish", "x", "1"]).ok();
    let mut tail = server
        .command(&["tail", "--from", "start", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut first = String::new();
    BufReader::new(tail.stdout.take().expect("piped")).read_line(&mut first).expect("an event");
    signal(&tail, "INT");
    assert_eq!(wait(&mut tail), 0);
    let mut said = String::new();
    tail.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    let cursor = said.trim().strip_prefix("go on with: --after ").expect("a cursor").to_owned();
    server.run(&["publish", "x", "2"]).ok();
    let next = server.run(&["tail", "--after", &cursor, "--limit", "1", "--output", "json"]).ok().json();
    assert_eq!(next["data"], 2);
}

#[test]
fn an_import_that_is_stopped_goes_on_when_run_again() {
    let server = Server::start();
    let arguments = "import - --format csv --stream case-{id} --type x --source s --batch 1";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let mut import = server
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = import.stdin.take().expect("piped");
    let row = |n: u32| format!("{n}\n");
    // A reader of CSV takes its input in large pieces: enough rows make it hand out the first ones.
    let rows: String = (1..=200_000).map(row).collect();
    let whole = format!("id\n{rows}");
    let writer = std::thread::spawn({
        let whole = whole.clone();
        move || input.write_all(whole.as_bytes())
    });
    until("the first rows are imported", || !server.run(&["read", "--limit", "1"]).ok().out.is_empty());
    signal(&import, "INT");
    assert_eq!(wait(&mut import), 130);
    let mut said = String::new();
    import.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("run the same command again"), "{said}");
    // The rest of the rows has nobody to read it any more.
    let _ = writer.join().expect("no panic");

    let before = head(&server);
    assert!((1..200_000).contains(&before), "{before}");
    let few: String =
        whole.lines().take(usize::try_from(before).expect("few") + 11).map(|l| format!("{l}\n")).collect();
    let again = [&arguments[..10], &["--output", "json"]].concat();
    let done = crate::gesta::done(&mut server.command(&again), &few).ok().json();
    assert_eq!((&done["added"], &done["already_there"]), (&10.into(), &before.into()));
}

fn head(server: &Server) -> u64 {
    server.run(&["stats", "--output", "json"]).ok().json()["log"]["position"].as_u64().expect("a position")
}

#[test]
fn a_server_stops_in_good_order() {
    let server = Server::start();
    server.run(&["publish", "x", "1"]).ok();
    let (code, folder) = server.stop();
    assert_eq!(code, 0);
    let again = Server::start_in(folder);
    assert_eq!(head(&again), 1);
}
