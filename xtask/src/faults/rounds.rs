//! The rounds: load, crash, restart, settle, compare; on and on with the same data.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use gesta_conformance::{Dice, history::Operation};
use uuid::Uuid;

use super::{
    clients::Client,
    figures::Figures,
    group::Group,
    ledger::Ledger,
    server::{Server, Setup},
    watchers::{Subscriber, read},
};

/// How a server is brought down.
pub(super) trait Crash: Sync {
    /// Brings it down, for good, with everything that was not durable.
    fn crash(&self, server: Server, dice: &mut Dice) -> Result<(), String>;
    /// Something that goes on in the background while the server works, until it is to be quiet.
    fn meanwhile(&self, _quiet: &AtomicBool) {}
    /// Whether `state.db` keeps every commit over such a crash.
    fn keeps_acknowledged_deliveries(&self) -> bool;
}

/// What a run is made of.
pub(super) struct Rounds {
    pub(super) setup: Setup,
    /// A second server on the same log: each round brings down the one that the last round left alone.
    pub(super) twin: Option<Setup>,
    pub(super) rounds: usize,
    pub(super) run: u64,
    pub(super) clients: u32,
    /// Where failed histories go.
    pub(super) failed: PathBuf,
    /// Ends the run at the first finding: for controls, which must have one.
    pub(super) until_wrong: bool,
}

impl Rounds {
    /// Plays all rounds and hands back what was counted. An error is a run that could not go on.
    pub(super) fn play(&self, crash: &dyn Crash) -> Result<Figures, String> {
        let mut run = Run::start(self)?;
        for round in 0..self.rounds {
            run.round(round, crash)?;
            if self.until_wrong && !run.ledger.figures.wrong.is_empty() {
                return Ok(run.ledger.figures);
            }
        }
        run.finish(crash)
    }
}

struct Run<'a> {
    rounds: &'a Rounds,
    dice: Dice,
    began: Instant,
    server: Option<Server>,
    twin: Option<Server>,
    clients: Vec<Client>,
    subscriber: Subscriber,
    /// One server alone has it: over several a group moves from one to another, which has tests of its own.
    group: Option<Group>,
    ledger: Ledger,
}

impl<'a> Run<'a> {
    fn start(rounds: &'a Rounds) -> Result<Self, String> {
        let (mut dice, began) = (Dice::of(rounds.run), Instant::now());
        let server = rounds.setup.start()?;
        let twin = rounds.twin.as_ref().map(Setup::start).transpose()?;
        let group = twin.is_none().then(Group::default);
        if let Some(group) = &group {
            group.create(&mut server.connect()?)?;
        }
        let clients = (0..rounds.clients).map(|number| Client::new(number, dice.split(), began)).collect();
        let subscriber = Subscriber::new(1_000, began);
        let ledger = Ledger::default();
        Ok(Self { rounds, dice, began, server: Some(server), twin, clients, subscriber, group, ledger })
    }

    fn round(&mut self, round: usize, crash: &dyn Crash) -> Result<(), String> {
        if self.twin.is_some() {
            std::mem::swap(&mut self.server, &mut self.twin);
        }
        let server = self.server.take().expect("between rounds there is a server");
        let looked_on = self.load(server, crash)?;
        let setup =
            self.rounds.twin.as_ref().filter(|_| round.is_multiple_of(2)).unwrap_or(&self.rounds.setup);
        let server = setup.start().map_err(|reason| self.failed(round, &reason))?;
        self.ledger.figures.slowest_start = self.ledger.figures.slowest_start.max(server.took);
        self.ledger.figures.rounds += 1;
        let address = server.address;
        for client in &mut self.clients {
            client.settle(address);
        }
        let operations = self.told(looked_on);
        let failed = self.rounds.failed.join(format!("round-{round}.jsonl"));
        let mut connection = server.connect()?;
        self.ledger
            .verify(&mut connection, operations, &failed)
            .map_err(|reason| self.failed(round, &reason))?;
        if round % 25 == 24 {
            self.ledger.verify_all(&mut connection)?;
        }
        self.server = Some(server);
        Ok(())
    }

    fn failed(&self, round: usize, reason: &str) -> String {
        let said = self.rounds.setup.said();
        format!("round {round}: {reason}\nthe data is in {}\n{said}", self.rounds.setup.data.display())
    }

    /// Lets everybody loose, brings the server down in the middle of it, and hands back what onlookers saw.
    fn load(&mut self, server: Server, crash: &dyn Crash) -> Result<Vec<Operation>, String> {
        let (address, stop, quiet) = (server.address, AtomicBool::new(false), AtomicBool::new(false));
        let other = self.twin.as_ref().map_or(address, |twin| twin.address);
        let length = Duration::from_millis(self.dice.between(150, 900));
        let readers: Vec<Dice> = (0..2).map(|_| self.dice.split()).collect();
        let consumers: Vec<Dice> = (0..2).map(|_| self.dice.split()).collect();
        let (from, began) = (self.ledger.head(), self.began);
        let (clients, subscriber, group) = (&mut self.clients, &mut self.subscriber, self.group.as_ref());
        let (stop, dice) = (&stop, &mut self.dice);
        thread::scope(|scope| {
            for (client, address) in clients.iter_mut().zip([address, other].into_iter().cycle()) {
                scope.spawn(move || client.load(address, stop));
            }
            scope.spawn(|| subscriber.follow(address, |_| false));
            let readers: Vec<_> = (2_000u32..)
                .zip(readers)
                .zip([address, other])
                .map(|((number, dice), address)| {
                    scope.spawn(move || read(number, dice, began, address, from, stop))
                })
                .collect();
            for (consumer, dice) in ["one", "two"].into_iter().zip(consumers) {
                if let Some(group) = group {
                    scope.spawn(move || group.consume(consumer, dice, address, stop));
                }
            }
            let quiet = &quiet;
            let meanwhile = scope.spawn(move || crash.meanwhile(quiet));
            thread::sleep(length);
            quiet.store(true, Ordering::Relaxed);
            meanwhile.join().expect("the background never panics");
            let crashed = crash.crash(server, dice);
            stop.store(true, Ordering::Relaxed);
            let looked_on =
                readers.into_iter().flat_map(|reader| reader.join().expect("a reader never panics"));
            let looked_on = looked_on.collect();
            crashed.map(|()| looked_on)
        })
    }

    /// Everything that anybody was told since the last verification.
    fn told(&mut self, mut operations: Vec<Operation>) -> Vec<Operation> {
        for client in &mut self.clients {
            operations.append(&mut client.done);
            self.ledger.relaxed(client.relaxed.drain(..));
            for what in client.wrong.drain(..) {
                self.ledger.figures.wrong(what);
            }
        }
        operations.append(&mut self.subscriber.done);
        operations
    }

    /// Once more in peace: the subscriber and the group catch up, and the whole log is read again.
    fn finish(mut self, crash: &dyn Crash) -> Result<Figures, String> {
        let server = self.server.take().expect("between rounds there is a server");
        let head = self.ledger.head();
        if self.subscriber.position < head {
            let until = Instant::now() + Duration::from_secs(20);
            self.subscriber.follow(server.address, |position| position >= head || Instant::now() > until);
        }
        let operations = self.told(Vec::new());
        let mut connection = server.connect()?;
        self.ledger.verify(&mut connection, operations, &self.rounds.failed.join("finish.jsonl"))?;
        self.ledger.verify_all(&mut connection)?;
        if self.subscriber.position < head {
            let what = format!("the subscriber stopped at {} of {head}", self.subscriber.position);
            self.ledger.figures.wrong(what);
        }
        let mut figures = std::mem::take(&mut self.ledger.figures);
        if let Some(group) = &self.group {
            let events: HashSet<Uuid> =
                self.ledger.log().iter().filter(|e| e.stream.contains("/grp-")).map(|e| e.id).collect();
            group.drain(&server, &events)?;
            group.account(&mut figures, &events, crash.keeps_acknowledged_deliveries());
        }
        figures.connections = self.subscriber.connections;
        figures.delivered = self.subscriber.delivered;
        Ok(figures)
    }
}
