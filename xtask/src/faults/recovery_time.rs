//! `recovery_time`: from the start after a kill to the first acknowledged append, at growing sizes of the log.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use gesta_conformance::Dice;
use serde_json::json;

use super::{Binaries, Options, fresh_folder, http::Connection, place, server::Setup};
use crate::Outcome;

/// Events of one filling append.
const BATCH: u64 = 500;

/// However large the log: beyond this a start after a kill is no bounded recovery.
const BOUND: Duration = Duration::from_secs(10);

pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    let sizes = if options.events.is_empty() { vec![5_000, 50_000] } else { options.events.clone() };
    let folder = fresh_folder(&place("recovery_time"))?;
    let setup = Setup::new(&binaries.honest.gesta, folder.join("data"), folder.join("server.log"));
    let (restarts, mut dice, mut have) = (options.rounds.unwrap_or(2), Dice::of(options.run), 0);
    let mut slow = Vec::new();
    for size in sizes {
        fill(&setup, &mut dice, have, size)?;
        have = size;
        let mut worst = Duration::ZERO;
        for _ in 0..restarts {
            kill_while_busy(&setup, &mut dice)?;
            worst = worst.max(first_append(&setup, &mut dice)?);
        }
        println!("recovery_time: {:.3} s at {size} events, worst of {restarts} kills", worst.as_secs_f64());
        if worst > BOUND {
            slow.push(format!("{worst:?} at {size} events, {BOUND:?} is the bound"));
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    if slow.is_empty() { Ok(()) } else { Err(format!("recovery_time: {}", slow.join("; "))) }
}

fn fill(setup: &Setup, dice: &mut Dice, from: u64, to: u64) -> Result<(), String> {
    let server = setup.start()?;
    let mut connection = server.connect()?;
    for _ in from / BATCH..to / BATCH {
        append(&mut connection, dice, BATCH)?;
    }
    Ok(())
}

/// Appends for a moment and kills in the middle of it.
fn kill_while_busy(setup: &Setup, dice: &mut Dice) -> Result<(), String> {
    let mut server = setup.start()?;
    let (address, mut busy) = (server.address, dice.split());
    let length = Duration::from_millis(dice.between(50, 250));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let Ok(mut connection) = Connection::open(address) else { return };
            while append(&mut connection, &mut busy, 50).is_ok() {}
        });
        std::thread::sleep(length);
        server.kill();
    });
    Ok(())
}

/// Starts the process and appends as soon as anybody listens.
fn first_append(setup: &Setup, dice: &mut Dice) -> Result<Duration, String> {
    let began = Instant::now();
    let server = setup.spawn()?;
    while began.elapsed() < Duration::from_secs(120) {
        if try_append(server.address, dice) {
            return Ok(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(format!("no append was acknowledged within two minutes:\n{}", setup.said()))
}

fn try_append(address: SocketAddr, dice: &mut Dice) -> bool {
    Connection::open(address).is_ok_and(|mut connection| append(&mut connection, dice, 1).is_ok())
}

fn append(connection: &mut Connection, dice: &mut Dice, count: u64) -> Result<(), String> {
    let events: Vec<_> = (0..count)
        .map(
            |n| json!({"id": dice.id(), "type": "fault.filled", "data": {"n": n, "filler": "x".repeat(120)}}),
        )
        .collect();
    let path = format!("/api/v1/streams/fill-{}", dice.below(1_000));
    let reply = connection.post(&path, &json!({"events": events})).map_err(|cause| cause.to_string())?;
    if reply.status == 200 { Ok(()) } else { Err(format!("{} {}", reply.status, reply.text())) }
}
