//! How many connections there may be, in total and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard},
};

/// Counts connections.
pub(super) struct Caps {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place, until dropped.
pub(super) struct Place {
    caps: Arc<Caps>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// No place for anybody.
    Server,
    /// None for this address.
    Address,
}

impl Caps {
    /// Room for so many, none taken.
    pub(super) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, open: Mutex::default() })
    }

    /// A place for a connection from this address.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = block(address);
        let mut open = self.open();
        if open.total >= self.most {
            return Err(Full::Server);
        }
        let used = open.by_address.entry(address).or_default();
        if *used >= self.most_per_address {
            return Err(Full::Address);
        }
        *used += 1;
        open.total += 1;
        Ok(Place { caps: Arc::clone(self), address })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("no holder of the connections' lock panics")
    }
}

/// Who has one IPv6 address has all of its /64.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.caps.open();
        open.total -= 1;
        if let Some(used) = open.by_address.get_mut(&self.address) {
            *used -= 1;
            if *used == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places() {
        let caps = Caps::new(3, 2);
        let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mine = (caps.take(one).ok().unwrap(), caps.take(one).ok().unwrap());
        assert_eq!(caps.take(one).err(), Some(Full::Address));
        let theirs = caps.take(two).ok().unwrap();
        assert_eq!(caps.take(two).err(), Some(Full::Server));
        drop((mine, theirs));
        assert!(caps.open().by_address.is_empty());
        assert!(caps.take(one).is_ok());
    }

    #[test]
    fn addresses_of_one_block_count_together() {
        assert_eq!(block("2001:db8::1".parse().unwrap()), block("2001:db8::2:3".parse().unwrap()));
        assert_ne!(block("2001:db8:0:1::1".parse().unwrap()), block("2001:db8::1".parse().unwrap()));
        assert_eq!(block("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
