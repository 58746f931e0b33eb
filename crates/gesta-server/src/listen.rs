//! From an address to a listener, and whether listening there is safe.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::{auth::Authority, config::Config, error::ServeError};

/// Bytes the kernel holds for a client that does not read. Left alone it takes up to megabytes for each.
const SEND_BUFFER: u32 = 256 * 1024;

/// Most connections of a further listener: scrapers and probes are few.
const FURTHER_CONNECTIONS: usize = 64;

/// Descriptors kept free for the store and for whoever is turned away.
const SPARE_DESCRIPTORS: u64 = 256;

/// Listens where the configuration says.
pub(crate) async fn listen(config: &Config) -> Result<TcpListener, ServeError> {
    let address = resolve(config).await?;
    bind(address, config.listen_backlog).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse { address },
        _ => ServeError::Address { host: config.host.clone(), port: config.port, source },
    })
}

/// Listens at another port of the same address.
pub(crate) fn listen_further(
    config: &Config,
    main: SocketAddr,
    port: u16,
) -> Result<TcpListener, ServeError> {
    let address = SocketAddr::new(main.ip(), port);
    bind(address, config.listen_backlog).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::FurtherPortInUse { address },
        _ => ServeError::Address { host: address.ip().to_string(), port, source },
    })
}

/// The first address of the host.
async fn resolve(config: &Config) -> Result<SocketAddr, ServeError> {
    let wrong = |source| ServeError::Address { host: config.host.clone(), port: config.port, source };
    let host = config.host.trim_start_matches('[').trim_end_matches(']');
    let mut found = lookup_host((host, config.port)).await.map_err(wrong)?;
    found.next().ok_or_else(|| wrong(io::Error::other("the name has no address")))
}

/// Listens with a backlog for bursts: std and tokio ask for 1,024 at most, and beyond it a client waits a second.
fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// The address of a listener.
pub(crate) fn address(config: &Config, listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    let unknown = |source| ServeError::Address { host: config.host.clone(), port: config.port, source };
    listener.local_addr().map_err(unknown)
}

/// Refuses what would be refused later anyway, before the data folder is touched.
pub(crate) fn check(config: &Config, listener: &TcpListener) -> Result<(), ServeError> {
    let keys = keys_path(config, config.folder());
    authority(config, address(config, listener)?, keys.as_deref()).map(drop)
}

/// The keys file in force: the one that is set, or `keys.json` in the data folder if it is there.
pub(crate) fn keys_path(config: &Config, folder: Option<&Path>) -> Option<PathBuf> {
    let beside = || folder.map(|folder| folder.join("keys.json")).filter(|path| path.exists());
    config.keys_file.clone().or_else(beside)
}

/// The keys that guard a listener. Refuses one that the network reaches and that nothing guards.
pub(crate) fn authority(
    config: &Config,
    address: SocketAddr,
    keys: Option<&Path>,
) -> Result<Authority, ServeError> {
    let loopback = address.ip().to_canonical().is_loopback();
    match keys {
        Some(_) if !loopback && !config.allow_plain_text_on_the_network => {
            Err(ServeError::PlainText { address })
        }
        Some(path) => Ok(Authority::with_keys(path)?),
        None if loopback => Ok(Authority::open()),
        None if config.allow_anyone_on_the_network => Ok(Authority::open_to_anyone()),
        None => Err(ServeError::NoKeys { address }),
    }
}

/// How many of so many connections that fit are the main listener's, and how many the further one's.
pub(crate) fn shared_out(fit: usize) -> (usize, usize) {
    let further = FURTHER_CONNECTIONS.min(fit / 4).max(1);
    (fit.saturating_sub(further).max(1), further)
}

/// Raises the limit of descriptors as far as the system lets us, and answers how many connections fit.
pub(crate) fn connections_that_fit(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let Some(granted) = granted else { return wanted };
    let fit = granted.saturating_sub(SPARE_DESCRIPTORS).max(granted / 2);
    wanted.min(usize::try_from(fit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_have_no_more_connections_than_fit() {
        assert_eq!(shared_out(8192), (8128, 64));
        assert_eq!(shared_out(20), (15, 5), "few descriptors leave the main listener most of them");
        assert_eq!(shared_out(2), (1, 1));
    }
}
