//! Two servers of Gesta on one PostgreSQL: one of them is killed each round, or the database is stopped at once, while
//! clients append through both and a subscriber takes its cursor from one to the other.

use gesta_conformance::Dice;

use super::super::{
    binary::Binaries,
    folder_of_failures,
    options::Options,
    place,
    rounds::{Crash, Rounds},
    server::{Server, Setup, fresh_folder},
};
use crate::{Outcome, servers::Cluster};

/// Kills the server that clients talk to; now and then the database first.
struct Either(Cluster);

impl Crash for Either {
    fn crash(&self, mut server: Server, dice: &mut Dice) -> Result<(), String> {
        if dice.chance(1, 3) {
            self.0.stop_at_once()?;
            self.0.start()?;
        }
        server.kill();
        Ok(())
    }

    fn keeps_acknowledged_deliveries(&self) -> bool {
        true
    }
}

/// Rounds in which nothing may be wrong.
pub(super) fn run(options: &Options, binaries: &Binaries, rounds: usize) -> Outcome {
    let folder = fresh_folder(&place("postgres"))?;
    let cluster = Cluster::fresh("two_servers")?;
    let setup = |name: &str| Setup {
        binary: binaries.honest.clone(),
        data: folder.join(name),
        log: folder.join(format!("{name}.log")),
        planted: None,
        segment_bytes: None,
        environment: vec![("GESTA_STORE", cluster.url())],
        wrapper: Vec::new(),
    };
    let (setup, twin) = (setup("one"), Some(setup("two")));
    let failed = folder_of_failures("postgres")?;
    let played = Rounds {
        setup,
        twin,
        rounds,
        run: options.run,
        clients: options.clients,
        failed,
        until_wrong: false,
    };
    let again = options.again("postgres", rounds, None);
    let figures = played
        .play(&Either(cluster))
        .map_err(|reason| format!("postgres: two servers: {reason}\nagain: {again}"))?;
    figures.print("postgres: two servers");
    figures.verdict().map_err(|findings| format!("postgres: two servers: {findings}\nagain: {again}"))
}
