//! How a store connects and how long it waits.

use std::time::Duration;

/// How a store connects and how long it waits.
///
/// ```
/// use std::time::Duration;
/// use gesta_postgres::Options;
/// let options = Options::default().connections(8).append_timeout(Duration::from_secs(5));
/// assert_eq!(options.connections, 8);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Most connections for reads, checkpoints and read models; one for appends and one for wakeups come on top.
    pub connections: usize,
    /// How long to wait for a connection before giving up.
    pub connect_timeout: Duration,
    /// How long one statement of a read may take.
    pub statement_timeout: Duration,
    /// How long an append may take, with all its retries, before its outcome is called unknown.
    pub append_timeout: Duration,
    /// How often the head is looked at when nothing is heard.
    pub poll: Duration,
}

impl Default for Options {
    /// 16 connections, 10 s to connect, 30 s for a statement, 15 s for an append, a look at the head each second.
    fn default() -> Self {
        Self {
            connections: 16,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_secs(15),
            poll: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// The same with so many connections, at least one.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// The same with this patience for a connection.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The same with this bound on a statement of a read.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// The same with this bound on an append.
    pub fn append_timeout(mut self, timeout: Duration) -> Self {
        self.append_timeout = timeout;
        self
    }

    /// The same with a look at the head this often.
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }
}
