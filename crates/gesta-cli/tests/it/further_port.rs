//! `gesta serve` with a further port for metrics and health.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::gesta::{Serving, gesta};

#[test]
fn the_further_port_is_said_and_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = gesta();
    command.args(["serve", "--port", "0", "--log", "warn", "--data"]).arg(folder.path());
    let mut server = Serving::start(command.env("METRICS_PORT", "0"));
    let mut wire = TcpStream::connect(server.said("metrics")).expect("it listens");
    wire.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("sent");
    let mut reply = String::new();
    wire.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("gesta_head_position 0"), "{reply}");
    assert_eq!(server.stop(), 0);
}
