//! The command line of `cargo xtask faults`.

/// What is to be done, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) kind: String,
    /// How many rounds; each kind has its own short size.
    pub(super) rounds: Option<usize>,
    /// Fixes every random choice.
    pub(super) run: u64,
    pub(super) clients: u32,
    pub(super) release: bool,
    pub(super) controls: bool,
    /// Only this control, and no honest rounds.
    pub(super) planted: Option<String>,
    /// Sizes of logs for `recovery_time`.
    pub(super) events: Vec<u64>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut words = arguments.iter();
        let kind = words.next().cloned().unwrap_or_else(|| "help".into());
        let mut options = Self {
            kind,
            rounds: None,
            run: 1,
            clients: 12,
            release: false,
            controls: true,
            planted: None,
            events: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("{word} takes a value"));
            match word.as_str() {
                "--rounds" => options.rounds = Some(number(&value()?)?),
                "--run" => options.run = number(&value()?)?,
                "--clients" => options.clients = number(&value()?)?,
                "--planted" => options.planted = Some(value()?),
                "--events" => options.events = value()?.split(',').map(number).collect::<Result<_, _>>()?,
                "--release" => options.release = true,
                "--no-controls" => options.controls = false,
                other => return Err(format!("unknown option {other}: see cargo xtask faults help")),
            }
        }
        Ok(options)
    }

    /// What went wrong, with the command that does the same again.
    pub(super) fn failed(&self, kind: &str, rounds: usize, what: &str) -> String {
        format!("{kind}: {what}\nagain: {}", self.again(kind, rounds, None))
    }

    /// Whether there is anything to be done with bugs.
    pub(super) fn wants_controls(&self) -> bool {
        self.controls || self.planted.is_some()
    }

    /// The command that does the same again.
    pub(super) fn again(&self, kind: &str, rounds: usize, planted: Option<&str>) -> String {
        let release = if self.release { " --release" } else { "" };
        let planted = planted.map(|bug| format!(" --planted {bug}")).unwrap_or_default();
        let (run, clients) = (self.run, self.clients);
        format!(
            "cargo xtask faults {kind} --rounds {rounds} --run {run} --clients {clients}{release}{planted}"
        )
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(Into::into).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_says_how_to_do_it_again() {
        let options = parsed("kill9 --rounds 7 --run 3 --release --clients 64").expect("legal");
        assert_eq!(
            parsed(options.again("kill9", 7, None).strip_prefix("cargo xtask faults ").expect("a command")),
            Ok(options)
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in ["kill9 --round 7", "kill9 --rounds", "kill9 --rounds many", "kill9 --rounds -1"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
