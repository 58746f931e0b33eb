//! Groups from the command line.

use crate::gesta::Server;

#[test]
fn deliveries_are_pulled_settled_parked_and_replayed() {
    let server = Server::start();
    server.run(&["groups", "create", "g", "--retry-delays-ms", "0"]).ok();
    for n in ["1", "2"] {
        server.run(&["publish", "x", n, "--subject", &format!("case-{n}")]).ok();
    }
    let pull = || server.run(&["groups", "pull", "g", "--wait-ms", "5000", "--output", "json"]).ok().json();
    let pulled = pull();
    let id = |n: usize| pulled["deliveries"][n]["delivery_id"].as_str().expect("an id").to_owned();
    assert_eq!(server.run(&["groups", "ack", "g", &id(0)]).ok().out, "1 acknowledged\n");
    let given_back = server.run(&["groups", "nack", "g", &id(1), "--reason", "no such ward"]).ok();
    assert_eq!(given_back.out, "1 given back\n");
    let parked = server.run(&["groups", "parked", "g"]).ok().out;
    assert!(parked.contains("no such ward") && parked.contains("case-2"), "{parked}");
    assert_eq!(server.run(&["groups", "replay", "g", "--all"]).ok().out, "1 handed out again\n");
    let again = pull()["deliveries"][0]["delivery_id"].as_str().expect("an id").to_owned();
    server.run(&["groups", "nack", "g", &again, "--park"]).ok();
    let discarded = server.run(&["groups", "discard", "g", "--all", "--reason", "a test"]).ok();
    assert_eq!(discarded.out, "1 given up\n");
}

#[test]
fn a_command_handles_each_delivery() {
    let server = Server::start();
    server.run(&["groups", "create", "g"]).ok();
    for n in ["1", "2", "3"] {
        server.run(&["publish", "x", n]).ok();
    }
    let consume =
        ["groups", "consume", "g", "--limit", "3", "--output", "json", "--", "sh", "-c", "cat >> handled"];
    assert_eq!(server.run(&consume).ok().json()["handled"], 3);
    let handled = std::fs::read_to_string(server.folder.path().join("handled")).expect("readable");
    assert_eq!(handled.matches("\"delivery_id\"").count(), 3);
    server.run(&["publish", "x", "4"]).ok();
    let failing = ["groups", "consume", "g", "--idle-ms", "600", "--output", "json", "--", "false"];
    assert!(server.run(&failing).ok().json()["failed"].as_u64().expect("a count") >= 1);
}
