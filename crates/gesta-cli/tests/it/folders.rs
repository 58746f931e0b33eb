//! Data folders: checked, copied, made anew.

use crate::gesta::{Server, done, gesta};

#[test]
fn a_backup_taken_from_a_running_server_is_restored_and_clean() {
    let server = Server::start();
    for n in ["1", "2", "3"] {
        server.run(&["publish", "x", n]).ok();
    }
    let data = server.data();
    let data = data.to_str().expect("text");
    let copied = server.run(&["backup", "copy", "--data", data, "--output", "json"]).ok().json();
    assert_eq!(copied["head"], 3);
    server.run(&["restore", "copy", "--data", "restored"]).ok();
    let (code, folder) = server.stop();
    assert_eq!(code, 0);
    for (part, events) in [("data", 3), ("restored", 3)] {
        let verified =
            done(gesta().args(["verify", "--output", "json"]).arg(folder.path().join(part)), "").ok();
        assert_eq!(
            (&verified.json()["clean"], &verified.json()["events"]),
            (&true.into(), &events.into()),
            "{part}"
        );
    }
}

#[test]
fn a_damaged_folder_is_not_clean() {
    let server = Server::start();
    server.run(&["publish", "x", r#"{"find":"me"}"#]).ok();
    let (_, folder) = server.stop();
    let log = folder.path().join("data/log");
    let segments = std::fs::read_dir(&log).expect("a log").map(|entry| entry.expect("an entry").path());
    let holds = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).expect("readable");
        bytes.windows(4).position(|four| four == b"find").map(|at| (bytes, at))
    };
    let (path, (mut bytes, at)) = segments
        .into_iter()
        .find_map(|path| holds(&path).map(|found| (path, found)))
        .expect("the event is in the log");
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let verified = done(gesta().args(["verify"]).arg(folder.path().join("data")), "");
    assert_eq!(verified.code, 1, "{verified:?}");
}

#[test]
fn a_folder_that_holds_nothing_of_ours_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = done(gesta().args(["backup", "copy", "--data", "nothing"]).current_dir(folder.path()), "");
    assert_eq!(backup.code, 4, "{backup:?}");
}

#[test]
fn offline_commands_find_the_folder_as_serve_does() {
    let server = Server::start();
    server.run(&["publish", "x"]).ok();
    let (_, folder) = server.stop();
    let data = folder.path().join("data");
    let events = |command: &mut std::process::Command| done(command, "").ok().json()["events"].clone();
    let verify = || {
        let mut command = gesta();
        command.args(["verify", "--output", "json"]).current_dir(folder.path());
        command
    };
    assert_eq!(events(verify().args(["--data", "data"])), 1);
    assert_eq!(events(verify().arg("data")), 1);
    assert_eq!(events(verify().env("GESTA_DATA", &data)), 1);
    assert_eq!(events(verify().arg("--data").arg(&data).env("GESTA_DATA", "nowhere")), 1);
    assert_eq!(done(verify().args(["data", "--data", "data"]), "").code, 2, "two folders are one too many");

    done(gesta().args(["keys", "create", "--data"]).arg(&data), "").ok();
    assert!(data.join("keys.json").exists());
    let listed = done(gesta().args(["keys", "list"]).env("GESTA_DATA", &data), "").ok().out;
    assert!(listed.contains("default"), "{listed}");
}
