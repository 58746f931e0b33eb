//! `gesta completions`: completions for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Outcome;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    /// Those for this command line.
    pub(crate) fn run(self, mut typed: Command) -> Outcome {
        let mut written = Vec::new();
        clap_complete::generate(self.shell, &mut typed, "gesta", &mut written);
        std::io::Write::write_all(&mut std::io::stdout(), &written)?;
        Ok(())
    }
}
