//! `gesta serve` with a further port for metrics and health.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Stdio,
};

use serde_json::Value;

use crate::gesta::{gesta, signal, wait};

#[test]
fn the_further_port_is_said_and_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = gesta()
        .args(["serve", "--port", "0", "--output", "json", "--log", "warn", "--data"])
        .arg(folder.path())
        .env("METRICS_PORT", "0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("it says where");
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    let address = ready["metrics"].as_str().expect("where the further port is");
    let mut wire = TcpStream::connect(address).expect("it listens");
    wire.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("sent");
    let mut reply = String::new();
    wire.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("gesta_head_position 0"), "{reply}");
    signal(&server, "TERM");
    assert_eq!(wait(&mut server), 0);
}
