//! Copying a log into another store: equal to the byte, whatever comes in between.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent};
use gesta_file::{FileStore, FolderReader};
use gesta_postgres::{Options, PostgresStore};
use tempfile::TempDir;

use crate::{
    database::Database,
    gesta::{Done, Server, done, gesta, sample, signal, until, wait},
};

/// The command, at home in `folder`.
fn copy(folder: &Path, from: &str, to: &str, more: &[&str]) -> Command {
    let mut command = gesta();
    command.args(["copy", "--from", from, "--to", to, "--output", "json"]).args(more).current_dir(folder);
    command
}

fn copied(folder: &Path, from: &str, to: &str, more: &[&str]) -> Done {
    done(&mut copy(folder, from, to, more), "")
}

/// A folder that a server has filled and left: several tenants, groups, events of every size.
fn filled() -> TempDir {
    let server = Server::start();
    let pathway =
        ["--stream", "case-{case_id}", "--type", "{activity}", "--occurred-at", "timestamp", "--batch", "5"];
    server.run(&[&["import", &sample("pathway.csv")], &pathway[..]].concat()).ok();
    server.run(&["publish", "x", "\"\\u0000\"", "--tenant", "other"]).ok();
    server.run(&["publish", "x", &format!("\"{}\"", "ä".repeat(50_000))]).ok();
    server.run(&["groups", "create", "g", "--from", "start"]).ok();
    server.run(&["groups", "pull", "g"]).ok();
    server.stop().1
}

fn clean(folder: &Path, data: &str) {
    done(gesta().args(["verify", data]).current_dir(folder), "").ok();
}

#[test]
fn a_log_copied_to_postgres_and_back_is_equal_to_the_byte() {
    let (folder, database) = (filled(), Database::fresh());
    let (at, url) = (folder.path(), database.url());
    let there = copied(at, "data", &url, &[]).ok().json();
    let back = copied(at, &url, "back", &[]).ok().json();
    let beside = copied(at, "file:back", "beside", &[]).ok().json();
    for report in [&there, &back, &beside] {
        assert_eq!((&report["equal"], &report["source"]), (&true.into(), &there["target"]), "{report}");
        assert_eq!((&report["copied"], &report["already_there"]), (&report["head"], &0.into()), "{report}");
        assert!(report["checkpoints"].as_u64() >= Some(1), "{report}");
    }
    let verified = copied(at, "data", "beside", &["--verify-only"]).ok().json();
    assert_eq!((&verified["equal"], &verified["target"]), (&true.into(), &there["source"]));
    clean(at, "back");
    clean(at, "beside");

    // Nothing is left to do, and nothing is done twice.
    let again = copied(at, "data", &url, &[]).ok().json();
    assert_eq!((&again["copied"], &again["already_there"]), (&0.into(), &there["head"]));
}

/// The real log of a hospital, where it is at hand.
#[test]
fn the_hospital_log_is_copied_to_postgres_and_back() {
    let Some(data) = std::env::var_os("GESTA_TEST_DATA") else { return };
    let file = Path::new(&data).join("hospital-sepsis.csv");
    let server = Server::start();
    let import = ["--stream", "case-{case_id}", "--type", "{activity}", "--delimiter", ";", "--null", "NA"];
    server.run(&[&["import", file.to_str().expect("text")], &import[..]].concat()).ok();
    let (folder, database) = (server.stop().1, Database::fresh());
    let there = copied(folder.path(), "data", &database.url(), &[]).ok().json();
    let back = copied(folder.path(), &database.url(), "back", &[]).ok().json();
    assert_eq!((&there["copied"], &back["copied"]), (&10_707.into(), &10_707.into()));
    assert_eq!((&back["equal"], &back["target"]), (&true.into(), &there["source"]));
    clean(folder.path(), "back");
}

#[test]
fn a_group_goes_on_where_it_was() {
    let server = Server::start();
    server.run(&["groups", "create", "g", "--retry-delays-ms", "0"]).ok();
    for n in ["1", "2", "3"] {
        server.run(&["publish", "x", n, "--subject", &format!("case-{n}")]).ok();
    }
    let pull = |server: &Server| {
        server.run(&["groups", "pull", "g", "--wait-ms", "5000", "--output", "json"]).ok().json()["deliveries"]
            .as_array()
            .expect("deliveries")
            .clone()
    };
    let id = |delivery: &serde_json::Value| delivery["delivery_id"].as_str().expect("an id").to_owned();
    let pulled = pull(&server);
    server.run(&["groups", "ack", "g", &id(&pulled[0])]).ok();
    server.run(&["groups", "nack", "g", &id(&pulled[1]), "--park"]).ok();
    let (_, folder) = server.stop();
    let database = Database::fresh();
    copied(folder.path(), "data", &database.url(), &[]).ok();
    std::fs::remove_dir_all(folder.path().join("data")).expect("removed");
    copied(folder.path(), &database.url(), "data", &[]).ok();

    let server = Server::start_in(folder);
    let parked = server.run(&["groups", "parked", "g"]).ok().out;
    assert!(parked.contains("case-2"), "{parked}");
    server.run(&["publish", "x", "4"]).ok();
    let mut handed_out = Vec::new();
    until("what was not acknowledged comes again", || {
        for delivery in pull(&server) {
            handed_out.push(delivery["event"]["payload"].clone());
            server.run(&["groups", "ack", "g", &id(&delivery)]).ok();
        }
        handed_out.len() >= 2
    });
    assert_eq!(handed_out, [serde_json::json!(3), serde_json::json!(4)]);
}

#[test]
fn a_copy_that_is_killed_goes_on_when_run_again() {
    let server = Server::start_in(filled());
    // Enough to be in the middle of.
    let rows: String = (0..30_000).map(|n| format!("{n}\n")).collect();
    let import =
        ["import", "-", "--format", "csv", "--stream", "row-{id}", "--type", "x", "--source", "rows"];
    done(&mut server.command(&import), &format!("id\n{rows}")).ok();
    let (_, folder) = server.stop();
    let at = folder.path().to_owned();

    let database = Database::fresh();
    for to in ["killed".to_owned(), database.url()] {
        let mut seen = 0;
        for _ in 0..2 {
            let mut child = copy(&at, "data", &to, &[])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("runs");
            let mut over = false;
            until("it has copied some more", || {
                over = child.try_wait().expect("waits").is_some();
                let now = head(&at, &to, &database);
                let more = now > seen;
                seen = seen.max(now);
                more || over
            });
            let _ = child.kill();
            let _ = child.wait();
            if over {
                break;
            }
        }
        let report = copied(&at, "data", &to, &[]).ok().json();
        assert_eq!(report["equal"], true, "{report}");
        assert!(seen > 0 && report["already_there"].as_u64() >= Some(seen), "{seen}: {report}");
        assert!(report["copied"].as_u64() > Some(0), "it was killed too late to tell: {report}");
    }
    clean(&at, "killed");
}

/// How far a copy is, seen from beside it.
fn head(at: &Path, to: &str, database: &Database) -> u64 {
    if to.starts_with("postgres") {
        return database.number("SELECT coalesce(max(position), 0) FROM gesta.events").unwrap_or(0);
    }
    let head = FolderReader::open(at.join(to)).ok().and_then(|reader| reader.head().ok());
    head.map_or(0, |head| head.get())
}

/// A copy that follows, once it has caught up.
fn following(at: &Path, from: &str, to: &str) -> Child {
    let mut child = copy(at, from, to, &["--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = String::new();
    let mut err = BufReader::new(child.stderr.take().expect("piped"));
    err.read_line(&mut said).expect("it says how far it is");
    assert!(said.contains("caught up"), "{said}");
    std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
    child
}

fn report(mut child: Child) -> serde_json::Value {
    signal(&child, "INT");
    let code = wait(&mut child);
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a report");
    assert_eq!(code, 0, "{line}");
    serde_json::from_str(&line).expect("JSON")
}

#[test]
fn a_running_server_is_followed_until_the_switch() {
    let (server, database) = (Server::start(), Database::fresh());
    server.run(&["publish", "x", "1"]).ok();
    let at = server.folder.path().to_owned();
    for (to, stop) in [("followed".to_owned(), false), (database.url(), true)] {
        let child = following(&at, "data", &to);
        let before = head(&at, "data", &database);
        for n in 0..20 {
            server.run(&["publish", "x", &n.to_string()]).ok();
        }
        until("it follows", || head(&at, &to, &database) == before + 20);
        if !stop {
            let report = report(child);
            assert_eq!(
                (&report["equal"], &report["source_in_use"]),
                (&true.into(), &true.into()),
                "{report}"
            );
            assert!(
                report["next"].as_str().is_some_and(|next| next.contains("without --follow")),
                "{report}"
            );
            continue;
        }
        server.run(&["publish", "x", "\"last\""]).ok();
        assert_eq!(copied(&at, "data", &to, &[]).code, 5, "servers run on it");
        let (code, folder) = server.stop();
        assert_eq!(code, 0);
        let report = report(child);
        assert_eq!((&report["equal"], &report["source_in_use"]), (&true.into(), &false.into()), "{report}");
        let rest = copied(folder.path(), "data", "followed", &["--follow", "--until-caught-up"]).ok().json();
        assert_eq!((&rest["copied"], &rest["source"]), (&21.into(), &report["target"]));
        return;
    }
}

#[test]
fn a_target_that_is_no_copy_is_refused_and_left_as_it_is() {
    let folder = filled();
    let at = folder.path();
    copied(at, "data", "copy", &[]).ok();
    let other = Server::start();
    other.run(&["publish", "x", "1"]).ok();
    let (_, other) = other.stop();
    let theirs = other.path().join("data");
    let theirs = theirs.to_str().expect("text");

    let foreign = copied(at, "data", theirs, &[]);
    assert!(foreign.code == 3 && foreign.err.contains("another event at position 1"), "{foreign:?}");
    let differs = copied(at, "data", theirs, &["--verify-only"]);
    assert!(differs.code == 3 && differs.err.contains("differ"), "{differs:?}");
    clean(other.path(), "data");

    // A copy that was used is further on than its source.
    grow(&at.join("copy"));
    let ahead = copied(at, "data", "copy", &[]);
    assert!(ahead.code == 3 && ahead.err.contains("was used since"), "{ahead:?}");
    let differs = copied(at, "data", "copy", &["--verify-only"]);
    assert!(differs.code == 3 && differs.err.contains("up to the lower one"), "{differs:?}");
}

/// Appends one event to a log.
fn grow(data: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = FileStore::open(data, gesta_file::Options::default()).expect("opens");
        store.append(one("used-1")).await.expect("appends");
        store.close().await;
    });
}

fn one(stream: &str) -> AppendBatch {
    AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, [NewEvent::new("x", "1")])
}

#[test]
fn what_cannot_be_copied_is_told_apart_and_a_password_is_never_shown() {
    let (folder, database) = (filled(), Database::fresh());
    let at = folder.path();
    let newer = Database::fresh();
    copied(at, "data", &newer.url(), &[]).ok();
    newer.run("UPDATE gesta.schema_history SET version = 9999 WHERE version = (SELECT max(version) FROM gesta.schema_history)");
    let (newer_url, url) = (newer.url(), database.url());
    let server = url.rsplit_once('/').expect("a database").0.to_owned();
    let (nobody, stranger) = (format!("{server}/no_such_database"), url.replace("gesta@", "no_such_user@"));
    let cases: [(&str, &str, i32, &str); 9] = [
        ("data", "data", 2, "same store"),
        ("nowhere", "copy", 4, "no log"),
        ("data", "http://127.0.0.1:8087", 2, "one tenant"),
        ("mysql://db/log", "copy", 2, "unknown kind"),
        ("postgres://u:secret@db/log", "copy", 2, "GESTA_STORE_FROM"),
        ("data", "postgres://gesta@127.0.0.1:1/log", 5, "no PostgreSQL server answers"),
        ("data", &nobody, 4, "no_such_database"),
        ("data", &stranger, 6, "refuses the user"),
        ("data", &newer_url, 1, "version 9999"),
    ];
    for (from, to, code, says) in cases {
        let refused = copied(at, from, to, &[]);
        assert!(refused.code == code && refused.err.contains(says), "{from} to {to}: {refused:?}");
        assert!(refused.out.is_empty() && !refused.err.contains("secret"), "{refused:?}");
    }
    assert!(!at.join("copy").exists(), "a refused copy has made a folder");

    let with_password = url.replace("gesta@", "gesta:secret@");
    let mut command = gesta();
    command
        .args(["copy"])
        .env("GESTA_STORE_FROM", "data")
        .env("GESTA_STORE_TO", with_password)
        .current_dir(at);
    let report = done(&mut command, "").ok();
    assert!(report.out.contains("equal up to") && !report.out.contains("secret"), "{report:?}");
    assert_eq!(done(gesta().arg("copy"), "").code, 2);
}

#[test]
fn servers_on_either_side_are_noticed() {
    let (folder, server) = (filled(), Server::start());
    let refused = copied(folder.path(), "data", server.data().to_str().expect("text"), &[]);
    assert!(refused.code == 5 && refused.err.contains("in use"), "{refused:?}");

    let database = Database::fresh();
    let url = database.url();
    with_a_store_on(&url, async |_| {
        let refused = copied(folder.path(), "data", &url, &[]);
        assert!(refused.code == 5 && refused.err.contains("in use"), "{refused:?}");
        let refused = copied(folder.path(), &url, "copy", &[]);
        assert!(refused.code == 5 && refused.err.contains("--follow"), "{refused:?}");
    });
    copied(folder.path(), "data", &url, &[]).ok();
}

#[test]
fn a_database_is_followed_beside_its_servers() {
    let (folder, database) = (filled(), Database::fresh());
    let (at, url) = (folder.path(), database.url());
    copied(at, "data", &url, &[]).ok();
    let (child, end) = with_a_store_on(&url, async |store| {
        let child = following(at, &url, "followed");
        for _ in 0..30 {
            store.append(one("used-1")).await.expect("appends");
        }
        let end = store.head().await.expect("tells").position.get();
        until("it follows", || head(at, "followed", &database) == end);
        let other = copied(at, &url, "other", &["--follow", "--until-caught-up"]).ok().json();
        assert_eq!((&other["equal"], &other["source_in_use"]), (&true.into(), &true.into()), "{other}");
        (child, end)
    });
    let report = report(child);
    assert_eq!((&report["equal"], &report["head"]), (&true.into(), &end.into()), "{report}");
    assert_eq!(report["source_in_use"], false, "{report}");
    clean(at, "followed");
}

#[test]
fn sessions_that_are_cut_off_lose_and_double_nothing() {
    let server = Server::start_in(filled());
    let at = server.folder.path().to_owned();
    let database = Database::fresh();
    let url = database.url();
    let child = following(&at, "data", &url);
    for n in 0..10 {
        let end = head(&at, "data", &database) + 3;
        for _ in 0..3 {
            server.run(&["publish", "x", &n.to_string()]).ok();
            let ours = "application_name = 'gesta-copy' AND datname = current_database()";
            database.run(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"));
        }
        until("it goes on", || head(&at, &url, &database) >= end);
    }
    let (code, _folder) = server.stop();
    assert_eq!(code, 0);
    let report = report(child);
    assert_eq!((&report["equal"], &report["source_in_use"]), (&true.into(), &false.into()), "{report}");
}

/// Work beside a store that is connected as a server is.
fn with_a_store_on<T>(url: &str, work: impl AsyncFnOnce(&PostgresStore) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = PostgresStore::connect(url, Options::default()).await.expect("connects");
        let done = work(&store).await;
        store.close().await;
        done
    })
}
