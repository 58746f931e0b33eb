//! The name of a process among those that share a log, and where it can be asked.

use std::{fmt, fs, net::SocketAddr};

use crate::config::Config;

/// What stands between the name of a process and its address.
const AT: &str = " at ";

/// A process among those that share a log. Its text is the owner of what it claims, so whoever finds a claim knows where
/// to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    name: String,
    address: Option<String>,
}

impl Owner {
    /// This process: its machine, its number, and something by chance, as numbers come again and machines may be named
    /// alike.
    pub(crate) fn of_process() -> Self {
        let mut chance = [0; 4];
        getrandom::fill(&mut chance).expect("the system gives random bytes");
        let chance = u32::from_le_bytes(chance);
        Self { name: format!("{}/{}/{chance:08x}", machine(), std::process::id()), address: None }
    }

    /// The one process there can be on a locked folder: after a restart it need not wait for its own leases.
    pub(crate) fn alone() -> Self {
        Self { name: "server".into(), address: None }
    }

    /// The same with where it can be asked: what the configuration advertises, or where it listens.
    pub(crate) fn listening(mut self, config: &Config, bound: SocketAddr) -> Self {
        let named = || match bound.ip().is_unspecified() {
            true => format!("{}:{}", machine(), bound.port()),
            false => bound.to_string(),
        };
        self.address = Some(config.advertise.clone().unwrap_or_else(named));
        self
    }

    /// Whether it can be asked.
    pub(crate) fn is_listening(&self) -> bool {
        self.address.is_some()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.address.as_ref().map_or(Ok(()), |address| write!(f, "{AT}{address}"))
    }
}

/// Where an owner can be asked, by its text; `None` if it does not say.
pub(crate) fn address_of(owner: &str) -> Option<&str> {
    owner.rsplit_once(AT).map(|(_, address)| address)
}

fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_are_told_apart_and_say_where_they_listen() {
        let (one, other) = (Owner::of_process(), Owner::of_process());
        assert_ne!(one, other, "the same process twice stands for two machines of one name");
        assert_eq!(address_of(&one.to_string()), None);
        let config = Config::default();
        let bound = one.clone().listening(&config, ([10, 0, 0, 5], 8087).into());
        assert_eq!(address_of(&bound.to_string()), Some("10.0.0.5:8087"));
        let everywhere = one.clone().listening(&config, ([0, 0, 0, 0], 8087).into());
        assert_eq!(address_of(&everywhere.to_string()), Some(&*format!("{}:8087", machine())));
        let config = Config { advertise: Some("gesta-1:9000".into()), ..config };
        let told = one.listening(&config, ([0, 0, 0, 0], 8087).into());
        assert_eq!(address_of(&told.to_string()), Some("gesta-1:9000"));
    }
}
