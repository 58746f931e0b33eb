//! Redis, XADD, `appendfsync always`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::{
    load::{Figure, Span, closed},
    wire::Resp,
};

/// A running Redis.
pub(crate) struct Redis {
    address: SocketAddr,
}

impl Redis {
    /// The one the environment names; refuses one that answers before the flush.
    pub(crate) fn find() -> Result<Self, String> {
        let url = std::env::var("GESTA_TEST_REDIS_URL")
            .map_err(|_| "GESTA_TEST_REDIS_URL is not set: eval \"$(cargo xtask services start)\"")?;
        let address = url.trim_start_matches("redis://").trim_end_matches('/').parse();
        let redis = Self { address: address.map_err(|_| format!("{url} is no redis://address:port"))? };
        if !redis.ask("CONFIG GET appendfsync")?.contains("always") {
            return Err("this Redis answers before the flush: set appendfsync always".into());
        }
        Ok(redis)
    }

    /// What it calls itself.
    pub(crate) fn version(&self) -> String {
        let info = self.ask("INFO server").unwrap_or_default();
        let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        format!("Redis {}, appendfsync always", line.unwrap_or("?"))
    }

    /// Entries in an empty database, so many a request.
    pub(crate) async fn measure(
        &self,
        connections: usize,
        entries: usize,
        span: Span,
    ) -> Result<Figure, String> {
        self.ask("FLUSHALL SYNC")?;
        closed(self.address, connections, span, |number| Resp::new(entries, number)).await
    }

    fn ask(&self, command: &str) -> Result<String, String> {
        let say = |cause: std::io::Error| format!("Redis at {}: {cause}", self.address);
        let mut socket = TcpStream::connect(self.address).map_err(say)?;
        socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).map_err(say)?;
        let mut reply = String::new();
        socket.read_to_string(&mut reply).map_err(say)?;
        Ok(reply)
    }
}
