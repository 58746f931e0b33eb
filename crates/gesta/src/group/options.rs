//! How a process runs groups.

use std::time::Duration;

/// How a process runs groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupsOptions {
    /// For how long a claim holds unless it is renewed, which is done three times within it: 15 s. So long a takeover takes
    /// when a process dies.
    pub lease: Duration,
    /// Whether this process may run groups: yes. One that may not knows all of them, and says of each request whose it is.
    pub claims: bool,
}

impl Default for GroupsOptions {
    fn default() -> Self {
        Self { lease: Duration::from_secs(15), claims: true }
    }
}
