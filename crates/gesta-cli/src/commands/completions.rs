//! `gesta completions`: completions for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, exit::Outcome};

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut written = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "gesta", &mut written);
        std::io::Write::write_all(&mut std::io::stdout(), &written)?;
        Ok(())
    }
}
