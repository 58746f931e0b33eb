//! `sub_churn`: subscribers that come and go, read slowly and change their filters while events are appended.
//!
//! Each turn of a subscriber is one connection: it goes on from the cursor of the last event it saw, under a filter of
//! its own. What it saw must be exactly what the log holds from there on that passes the filter, without a gap.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use gesta_conformance::Dice;
use gesta_core::Pattern;
use serde_json::{Value, json};

use super::{
    Binaries, Options, caught, fresh_folder, http::Connection, ledger::pages, place, server::Setup, setup,
};
use crate::Outcome;

const TYPES: [&str; 6] = ["a.x", "a.y", "b.x", "b.y", "c.z", "c"];
/// Any of the types; the first takes everything.
const FILTERS: [&[&str]; 6] = [&["*"], &["a.*"], &["*.x"], &["c.z"], &["a.x", "b.*"], &["c", "c.z", "a.y"]];
const SUBSCRIBERS: usize = 24;
const WRITERS: usize = 3;
/// How long events are appended in one round.
const LOAD: Duration = Duration::from_secs(3);
/// How long a subscriber may take to come to the head, and half of what it waits for the last event: together less
/// than the heartbeat after which a subscription looks again by itself, even one that needs a wakeup.
const CATCH_UP: Duration = Duration::from_secs(7);

/// Bugs that must show.
const CONTROLS: &[&str] = &["skip_one_event", "wakeup_needed"];

/// One connection of a subscriber.
struct Turn {
    filter: &'static [&'static str],
    after: u64,
    /// It must have seen this position, if any.
    up_to: Option<u64>,
    saw: Vec<(u64, String)>,
    /// How its connection ended.
    ended: String,
}

#[derive(Default)]
struct Found {
    events: usize,
    turns: usize,
    delivered: usize,
    wrong: Vec<String>,
}

pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    let rounds = options.rounds.unwrap_or(1);
    if let Some(bug) = &options.planted {
        return controls(options, binaries, &[bug]);
    }
    let mut found = Found::default();
    for round in 0..rounds as u64 {
        play(options.run + round, &setup_of(binaries, None)?, &mut found)?;
        if options.controls {
            // No bug: every wakeup is lost, and the poll alone must do.
            play(options.run + round, &setup_of(binaries, Some("wakeups_dropped"))?, &mut found)?;
        }
    }
    let Found { events, turns, delivered, wrong } = &found;
    println!(
        "sub_churn: {} of {turns} connections missed or doubled something, {delivered} deliveries, {events} events, \
         slow readers, changing filters{}",
        wrong.len(),
        if options.controls { ", half of the rounds without wakeups" } else { "" }
    );
    if !wrong.is_empty() {
        let first: Vec<_> = wrong.iter().take(5).map(String::as_str).collect();
        return Err(options.failed("sub_churn", rounds, &first.join("\n  ")));
    }
    if options.controls { controls(options, binaries, CONTROLS) } else { Ok(()) }
}

fn controls(options: &Options, binaries: &Binaries, bugs: &[impl AsRef<str>]) -> Outcome {
    let mut missed = Vec::new();
    for bug in bugs.iter().map(AsRef::as_ref) {
        let mut found = Found::default();
        play(options.run, &setup_of(binaries, Some(bug))?, &mut found)?;
        match found.wrong.first() {
            Some(what) => println!("sub_churn: control {bug} is caught: {what}"),
            None => missed.push(format!("{bug} is not caught: {}", options.again("sub_churn", 1, Some(bug)))),
        }
    }
    caught("sub_churn", bugs.len(), missed)
}

fn setup_of(binaries: &Binaries, planted: Option<&str>) -> Result<Setup, String> {
    let folder = fresh_folder(&place("sub_churn"))?;
    let setup = setup(binaries, &folder, folder.join("data"));
    planted.map_or(Ok(setup.clone()), |bug| super::planted(setup, binaries, bug))
}

fn play(run: u64, setup: &Setup, found: &mut Found) -> Result<(), String> {
    let server = setup.start()?;
    let (address, mut dice) = (server.address, Dice::of(run));
    let pace = Pace::default();
    let turns = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer(address, dice.split()))).collect();
        let subscribers: Vec<_> = (0..SUBSCRIBERS)
            .map(|_| {
                let (dice, pace) = (dice.split(), &pace);
                scope.spawn(move || churn(address, dice, pace))
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("a writer never panics"));
        pace.calm_down(address);
        subscribers.into_iter().map(|one| one.join().expect("a subscriber never panics")).collect::<Vec<_>>()
    });
    let log: Vec<_> = pages(&mut server.connect()?, 0, "")?.iter().map(place_of).collect();
    found.events += log.len();
    for turn in turns.into_iter().flatten() {
        found.turns += 1;
        found.delivered += turn.saw.len();
        found.wrong.extend(turn.judge(&log));
    }
    Ok(())
}

/// How far the run is: all come and go; the writers have stopped and all leave; all wait for one event more.
#[derive(Default)]
struct Pace {
    written: AtomicBool,
    left: AtomicUsize,
    calm: AtomicBool,
    waiting: AtomicUsize,
}

impl Pace {
    /// Lets everybody leave and come to the head, then appends the event that each must see.
    fn calm_down(&self, server: SocketAddr) {
        self.written.store(true, Ordering::SeqCst);
        let mut types = TYPES.iter().cycle();
        // Whoever waits for an event of its filter leaves at the next one.
        until(&self.left, || append_one(server, types.next().expect("endless")));
        self.calm.store(true, Ordering::SeqCst);
        until(&self.waiting, || ());
        thread::sleep(Duration::from_millis(300));
        append_one(server, "c");
    }
}

/// Waits until all subscribers are counted, at most for [`CATCH_UP`], and does something meanwhile.
fn until(counted: &AtomicUsize, mut meanwhile: impl FnMut()) {
    let deadline = Instant::now() + CATCH_UP;
    while counted.load(Ordering::SeqCst) < SUBSCRIBERS && Instant::now() < deadline {
        meanwhile();
        thread::sleep(Duration::from_millis(20));
    }
}

/// What cannot be written is missed by all, and so found out.
fn append_one(server: SocketAddr, event_type: &str) {
    let events = json!({"events": [{"type": event_type, "data": 1}]});
    let _ = Connection::open(server).and_then(|mut to| to.post("/api/v1/streams/s-0", &events));
}

/// Appends small batches for a while.
fn writer(server: SocketAddr, mut dice: Dice) -> impl FnOnce() + Send {
    move || {
        let Ok(mut connection) = Connection::open(server) else { return };
        let until = Instant::now() + LOAD;
        while Instant::now() < until {
            let filler = "x".repeat(usize::try_from(dice.below(1_500)).expect("small"));
            let events: Vec<Value> = (0..dice.between(1, 8))
                .map(|_| json!({"type": dice.pick(&TYPES), "data": filler, "id": dice.id()}))
                .collect();
            let stream = format!("s-{}", dice.below(16));
            if connection.post(&format!("/api/v1/streams/{stream}"), &json!({"events": events})).is_err() {
                return;
            }
        }
    }
}

/// Comes and goes until all is written, then stays until it has seen one event more.
fn churn(server: SocketAddr, mut dice: Dice, pace: &Pace) -> Vec<Turn> {
    let (mut turns, mut cursor, mut position) = (Vec::new(), None::<String>, 0);
    while !pace.written.load(Ordering::SeqCst) {
        let most = usize::try_from(dice.between(1, 300)).expect("small");
        // Most read as fast as they can, some rest after each event, a few stop for long.
        let rest = Duration::from_millis(if dice.chance(1, 4) { dice.between(1, 15) } else { 0 });
        let nap = Duration::from_millis(if dice.chance(1, 10) { 700 } else { 0 });
        let turn = follow(server, &mut dice, &mut cursor, &mut position, |saw| {
            thread::sleep(rest);
            if saw == 1 {
                thread::sleep(nap);
            }
            saw >= most || pace.written.load(Ordering::SeqCst)
        });
        turns.push(turn);
    }
    pace.left.fetch_add(1, Ordering::SeqCst);
    while !pace.calm.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(5));
    }
    turns.push(stay(server, cursor.as_deref(), position, &pace.waiting));
    turns
}

/// Follows everything to the head, says that it is there, and waits for the event behind it.
fn stay(server: SocketAddr, cursor: Option<&str>, after: u64, waiting: &AtomicUsize) -> Turn {
    let filter = FILTERS[0];
    let head = Connection::open(server).and_then(|mut to| to.get("/api/v1/log/head"));
    let head = head.map_or(0, |reply| reply.json()["position"].as_u64().unwrap_or(0));
    let mut turn = Turn { filter, after, up_to: Some(head + 1), saw: Vec::new(), ended: String::new() };
    let (until, mut there) = (Instant::now() + CATCH_UP * 2, false);
    let mut arrive = |seen: u64| {
        if seen >= head && !there {
            there = true;
            waiting.fetch_add(1, Ordering::SeqCst);
        }
        seen > head || Instant::now() > until
    };
    arrive(after);
    let began = Instant::now();
    let followed = Connection::open(server).and_then(|connection| {
        connection.follow(&path(filter, cursor.is_none()), cursor, |_, data| {
            if !data.is_empty() {
                turn.see(data);
            }
            !arrive(turn.saw.last().map_or(after, |(position, _)| *position))
        })
    });
    turn.ended = format!("{followed:?} after {:?}", began.elapsed());
    turn
}

/// One connection under a filter of the dice's choice.
fn follow(
    server: SocketAddr,
    dice: &mut Dice,
    cursor: &mut Option<String>,
    position: &mut u64,
    mut enough: impl FnMut(usize) -> bool,
) -> Turn {
    let filter = *dice.pick(&FILTERS);
    let mut turn = Turn { filter, after: *position, up_to: None, saw: Vec::new(), ended: String::new() };
    let Ok(connection) = Connection::open(server) else { return turn };
    let last = cursor.clone();
    let _ = connection.follow(&path(filter, last.is_none()), last.as_deref(), |id, data| {
        if data.is_empty() {
            return !enough(0);
        }
        turn.see(data);
        *cursor = Some(id.to_owned());
        *position = turn.saw.last().map_or(*position, |(position, _)| *position);
        !enough(turn.saw.len())
    });
    turn
}

fn path(filter: &[&str], from_start: bool) -> String {
    let types: Vec<String> = filter.iter().map(|pattern| format!("types={pattern}")).collect();
    let start = if from_start { "&after_position=0" } else { "" };
    format!("/api/v1/log/stream?{}{start}", types.join("&"))
}

fn place_of(event: &Value) -> (u64, String) {
    (event["position"].as_u64().unwrap_or(0), event["type"].as_str().unwrap_or_default().to_owned())
}

impl Turn {
    fn see(&mut self, data: &str) {
        let event: Value = serde_json::from_str(data).unwrap_or(Value::Null);
        // The last words of a stream are no event.
        if event["position"].is_u64() {
            self.saw.push(place_of(&event));
        }
    }

    /// What is wrong with what it saw, if anything is.
    fn judge(&self, log: &[(u64, String)]) -> Option<String> {
        let filter: Vec<Pattern> = self.filter.iter().map(|pattern| Pattern::from(*pattern)).collect();
        let passes =
            |of: &&(u64, String)| of.0 > self.after && filter.iter().any(|pattern| pattern.matches(&of.1));
        let due: Vec<_> = log.iter().filter(passes).take(self.saw.len()).cloned().collect();
        let at = self.saw.iter().zip(&due).position(|(saw, due)| saw != due);
        let (at, saw) = match at {
            Some(at) => (at, &self.saw[at]),
            None if due.len() < self.saw.len() => (due.len(), &self.saw[due.len()]),
            None => return self.stopped_short(),
        };
        let filter = self.filter.join(", ");
        Some(format!(
            "behind {} with {filter}: the event {at} was {saw:?}, due was {:?}",
            self.after,
            due.get(at)
        ))
    }

    fn stopped_short(&self) -> Option<String> {
        let last = self.saw.last().map_or(self.after, |(position, _)| *position);
        let short = self.up_to.filter(|up_to| last < *up_to)?;
        let ended = &self.ended;
        Some(format!("a subscriber that waited stood at {last}, {short} was due; it ended with {ended}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<(u64, String)> {
        [(1, "a.x"), (2, "b.x"), (3, "a.y"), (4, "a.x")].map(|(at, name)| (at, name.to_owned())).to_vec()
    }

    fn turn(after: u64, saw: &[usize]) -> Turn {
        Turn {
            filter: &["a.*"],
            after,
            up_to: None,
            saw: saw.iter().map(|at| log()[*at].clone()).collect(),
            ended: String::new(),
        }
    }

    #[test]
    fn a_prefix_of_what_passes_is_right_and_nothing_else() {
        assert_eq!(turn(0, &[0, 2]).judge(&log()), None);
        assert_eq!(turn(1, &[2, 3]).judge(&log()), None);
        assert_eq!(turn(0, &[]).judge(&log()), None);
        assert!(Turn { up_to: Some(4), ..turn(1, &[2]) }.judge(&log()).is_some(), "it stopped short");
        for wrong in [turn(0, &[2]), turn(0, &[0, 1]), turn(0, &[0, 0]), turn(1, &[0]), turn(4, &[3])] {
            assert!(wrong.judge(&log()).is_some(), "{:?} behind {}", wrong.saw, wrong.after);
        }
    }
}
