//! Two servers of Gesta on one PostgreSQL: one of them is killed each round, or the database is stopped at once, while
//! clients append through both and a subscriber takes its cursor from one to the other.

use gesta_conformance::Dice;

use super::super::{
    binary::Binaries,
    folder_of_failures,
    options::Options,
    place,
    rounds::{Crash, Rounds},
    server::{Server, Setup},
};
use crate::{Outcome, process::fresh_folder, servers::Cluster};

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
        environment: vec![("GESTA_STORE", cluster.url())],
        ..Setup::new(&binaries.honest.gesta, folder.join(name), folder.join(format!("{name}.log")))
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
    let played = played.play(&Either(cluster)).and_then(|figures| {
        figures.print("postgres: two servers");
        figures.verdict()
    });
    played.map_err(|what| options.failed("postgres", rounds, &format!("two servers: {what}")))
}
