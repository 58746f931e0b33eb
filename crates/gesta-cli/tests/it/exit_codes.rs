//! Exit codes are part of the interface.

use crate::gesta::{Server, done, gesta};

#[test]
fn each_kind_of_failure_has_its_code_and_one_plain_sentence() {
    let server = Server::start();
    server.run(&["append", "order-1", "order.placed"]).ok();
    server.run(&["groups", "create", "g"]).ok();
    let id = "00000000-0000-0000-0000-000000000001";
    server.run(&["publish", "x", "1", "--id", id]).ok();
    let cases: [(&[&str], i32); 11] = [
        (&["append", "order-1", "order.placed", "--expect", "no_stream"], 3),
        (&["append", "order-1", "order.placed", "--expect", "7"], 3),
        (&["publish", "x", "2", "--id", id], 3),
        (&["groups", "create", "g", "--type", "other"], 3),
        (&["event", "00000000-0000-0000-0000-000000000002"], 4),
        (&["groups", "show", "nobody"], 4),
        (&["tail", "--after", "garbage"], 1),
        (&["publish", "x", "not JSON"], 2),
        (&["append", "no stream", "x"], 2),
        (&["read", "--recorded-from", "yesterday"], 2),
        (&["nonsense"], 2),
    ];
    for (command, code) in cases {
        let done = server.run(command);
        assert_eq!(done.code, code, "{command:?}: {done:?}");
        assert!(done.out.is_empty() && !done.err.trim().is_empty(), "{command:?}: {done:?}");
        assert!(!done.err.contains("Error {") && !done.err.contains("Some("), "{command:?}: {done:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_unavailable_and_the_remedy_is_named() {
    let done = done(gesta().args(["stats", "--url", "http://127.0.0.1:1"]), "");
    assert_eq!(done.code, 5, "{done:?}");
    assert!(done.err.contains("gesta serve"), "{done:?}");
}

#[test]
fn a_port_in_use_and_a_folder_in_use_are_named() {
    let server = Server::start();
    let port = server.url.rsplit(':').next().expect("a port");
    let other = tempfile::tempdir().expect("a folder");
    let folder = other.path().to_str().expect("text");
    let taken = done(gesta().args(["serve", "--port", port, "--data", folder]), "");
    assert!(taken.code == 1 && taken.err.contains(port), "{taken:?}");
    let data = server.data();
    let locked = done(gesta().args(["serve", "--port", "0", "--data"]).arg(&data), "");
    assert!(locked.code == 1 && locked.err.contains("in use"), "{locked:?}");
}
