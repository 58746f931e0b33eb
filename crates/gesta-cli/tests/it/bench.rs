//! The load generator measures what it says.

use crate::gesta::Server;

#[test]
fn a_closed_loop_and_a_fixed_rate_report_what_they_did() {
    let server = Server::start();
    let short = ["bench", "--connections", "4", "--duration", "0.5", "--warm-up", "0.2", "--output", "json"];
    let closed =
        server.run(&[&short[..], &["--subscriber", "--events-per-request", "5"]].concat()).ok().json();
    assert_eq!((&closed["mode"], closed["failed"].as_object().map(|f| f.len())), (&"closed".into(), Some(0)));
    let requests = closed["requests"].as_u64().expect("a count");
    assert!(requests > 0 && closed["events"].as_u64() == Some(5 * requests), "{closed}");
    assert!(closed["end_to_end_ms"]["of"].as_u64() >= Some(1), "{closed}");
    let paced = server.run(&[&short[..], &["--rate", "100", "--route", "append"]].concat()).ok().json();
    assert_eq!(paced["mode"], "fixed_rate");
    let (requests, unanswered) = (paced["requests"].as_u64(), paced["unanswered"].as_u64());
    assert_eq!(requests.zip(unanswered).map(|(r, u)| r + u), Some(50), "{paced}");
    let head = server.run(&["stats", "--output", "json"]).ok().json()["log"]["position"].as_u64();
    assert!(head > Some(50), "{head:?}");
}

#[test]
fn a_server_that_refuses_is_not_measured() {
    let server = Server::start();
    let refused = server.run(&["bench", "--payload-bytes", "1000000", "--events-per-request", "9"]);
    assert!(refused.code == 1 && refused.out.is_empty(), "{refused:?}");
    let nowhere = server.run(&["bench", "--url", "http://127.0.0.1:1"]);
    assert_eq!(nowhere.code, 5, "{nowhere:?}");
}
