//! A server that runs out of descriptors waits for some, without spinning, and goes on.
//!
//! The limit is a process's, so the server of this test is a process of its own: this test binary, started again.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use crate::support::{PATIENCE, ask, edge, get, until};

const CHILD: &str = "GESTA_EDGE_CHILD";
const TEST: &str = "descriptors::out_of_descriptors_a_server_waits_without_spinning_and_goes_on";

#[test]
fn out_of_descriptors_a_server_waits_without_spinning_and_goes_on() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::var_os(CHILD).is_some() {
        runtime.block_on(serve_until_input_ends());
    } else {
        runtime.block_on(flood_a_server_of_40_descriptors());
    }
}

async fn serve_until_input_ends() {
    let edge = edge(|config| config.first_byte_timeout = Duration::from_secs(60)).await;
    println!("\naddress {}", edge.serving.address());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.expect("no panic").expect("readable");
    edge.serving.stop().await;
}

async fn flood_a_server_of_40_descriptors() {
    let (mut child, address) = start();
    let mut flood = Vec::new();
    for _ in 0..80 {
        flood.push(TcpStream::connect(address).await.expect("the backlog takes it"));
    }
    let before = cpu_ticks(child.id());
    let since = Instant::now();
    until("a second has passed", || since.elapsed() > Duration::from_secs(1)).await;
    let spent = cpu_ticks(child.id()) - before;
    // A hundred ticks are a second: a loop that spins takes all of them.
    assert!(spent < 50, "{spent} ticks of CPU within a second while there is nothing to do");

    drop(flood);
    let start = Instant::now();
    assert_eq!(ask(address, &get("/open", "")).await.body, "open");
    println!("served again {:?} after the flood was gone", start.elapsed());
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    assert!(start.elapsed() < PATIENCE);
}

fn start() -> (Child, SocketAddr) {
    let me = std::env::current_exe().expect("a path");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("ulimit -n 40; exec \"$0\" \"$@\"").arg(me);
    shell.args(["--exact", TEST, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut told = lines
        .map(|line| line.expect("text"))
        .filter_map(|line| line.strip_prefix("address ").map(|address| address.parse().expect("an address")));
    let address = told.next().expect("the server tells its address");
    // Kept open: what is still to be printed must find a reader.
    std::thread::spawn(move || told.for_each(drop));
    (child, address)
}

/// Hundredths of a second of CPU that a process has taken.
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
