//! The streams of a group, each once, and where each is taken to stand.

use std::collections::HashMap;

use gesta_core::{AppendBatch, ExpectedVersion, StreamId, Tenant, Version};

/// Versions from here on are places behind wherever the stream stands, until the database has said where that is.
const BEHIND: u64 = 1 << 62;

/// Where a stream is taken to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    At(u64),
    /// Anywhere but at its beginning.
    Begun,
    Anywhere,
}

/// The streams of a group, each once.
#[derive(Default)]
pub(super) struct Streams {
    named: Vec<(Tenant, StreamId)>,
    numbers: HashMap<(Tenant, StreamId), usize>,
    stands: Vec<Stand>,
}

impl Streams {
    /// The streams of these batches, each taken to stand where the first who names it expects it. `None` if that leaves
    /// open what a later one needs to know.
    pub(super) fn believed<'a>(batches: impl Iterator<Item = &'a AppendBatch>) -> Option<Self> {
        let mut streams = Self::default();
        for batch in batches {
            for append in &batch.appends {
                let key = (batch.tenant.clone(), append.stream.clone());
                let stand = match append.expected {
                    ExpectedVersion::Any => Stand::Anywhere,
                    ExpectedVersion::Exists => Stand::Begun,
                    ExpectedVersion::NoStream => Stand::At(0),
                    // No stream is there; the database will say so.
                    ExpectedVersion::Exact(version) if BEHIND <= version.get() => return None,
                    ExpectedVersion::Exact(version) => Stand::At(version.get()),
                };
                match streams.numbers.get(&key).map(|number| streams.stands[*number]) {
                    None => streams.add(key, stand),
                    Some(Stand::At(_)) => {}
                    Some(Stand::Anywhere) if stand == Stand::Anywhere => {}
                    Some(Stand::Begun) if matches!(stand, Stand::Anywhere | Stand::Begun) => {}
                    Some(_) => return None,
                }
            }
        }
        Some(streams)
    }

    /// The streams of these batches; where they stand is to be found out.
    pub(super) fn of<'a>(batches: impl Iterator<Item = &'a AppendBatch>) -> Self {
        let mut streams = Self::default();
        for batch in batches {
            for append in &batch.appends {
                let key = (batch.tenant.clone(), append.stream.clone());
                if !streams.numbers.contains_key(&key) {
                    streams.add(key, Stand::Anywhere);
                }
            }
        }
        streams
    }

    fn add(&mut self, key: (Tenant, StreamId), stand: Stand) {
        self.numbers.insert(key.clone(), self.named.len());
        self.named.push(key);
        self.stands.push(stand);
    }

    /// The same, where each stands as the database says.
    pub(super) fn found(mut self, versions: impl Iterator<Item = u64>) -> Self {
        self.stands = versions.map(Stand::At).collect();
        self
    }

    pub(super) fn tenants(&self) -> Vec<&str> {
        self.named.iter().map(|(tenant, _)| tenant.as_str()).collect()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.named.iter().map(|(_, stream)| stream.as_str()).collect()
    }

    /// What the database is to check.
    pub(super) fn stands(&self) -> Vec<Option<i64>> {
        let told = |stand: &Stand| match stand {
            Stand::At(version) => Some(crate::shared::bound(*version)),
            Stand::Begun => Some(-1),
            Stand::Anywhere => None,
        };
        self.stands.iter().map(told).collect()
    }

    /// The versions that decisions stand on.
    pub(super) fn versions(&self) -> HashMap<(Tenant, StreamId), Version> {
        let versions = self.stands.iter().map(|stand| Version::new(base(*stand)));
        self.named.iter().cloned().zip(versions).collect()
    }

    /// The number of a stream, and the place behind its stand that a decided version is.
    pub(super) fn place(&self, tenant: &Tenant, stream: &StreamId, version: Version) -> (usize, u64) {
        let number = self.number(tenant, stream);
        (number, version.get() - base(self.stands[number]))
    }

    /// A decided version, once it is known where the streams stood.
    pub(super) fn settled(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        version: Version,
        stood: &[u64],
    ) -> Version {
        match version.get().checked_sub(BEHIND) {
            Some(place) => Version::new(stood[self.number(tenant, stream)] + place),
            None => version,
        }
    }

    fn number(&self, tenant: &Tenant, stream: &StreamId) -> usize {
        self.numbers[&(tenant.clone(), stream.clone())]
    }
}

fn base(stand: Stand) -> u64 {
    match stand {
        Stand::At(version) => version,
        Stand::Begun | Stand::Anywhere => BEHIND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::NewEvent;

    fn to(stream: &str, expected: ExpectedVersion) -> AppendBatch {
        AppendBatch::to(stream.parse().expect("legal"), expected, [NewEvent::new("x", "1")])
    }

    #[test]
    fn the_first_who_names_a_stream_says_where_it_stands() {
        let batches =
            [to("a-1", ExpectedVersion::Exact(Version::new(3))), to("a-1", ExpectedVersion::NoStream)];
        assert_eq!(Streams::believed(batches.iter()).expect("known").stands(), [Some(3)]);
        let batches = [
            to("a-1", ExpectedVersion::Any),
            to("b-1", ExpectedVersion::Exists),
            to("b-1", ExpectedVersion::Any),
        ];
        assert_eq!(Streams::believed(batches.iter()).expect("known").stands(), [None, Some(-1)]);
    }

    #[test]
    fn what_is_left_open_is_told() {
        let batches = [to("a-1", ExpectedVersion::Any), to("a-1", ExpectedVersion::Exact(Version::new(3)))];
        assert!(Streams::believed(batches.iter()).is_none());
        let batches = [to("a-1", ExpectedVersion::Any), to("a-1", ExpectedVersion::Exists)];
        assert!(Streams::believed(batches.iter()).is_none());
    }

    #[test]
    fn a_place_behind_an_unknown_stand_is_settled_by_it() {
        let batch = to("a-1", ExpectedVersion::Any);
        let streams = Streams::believed([batch.clone()].iter()).expect("known");
        let (tenant, stream) = (&batch.tenant, &batch.appends[0].stream);
        let next = Version::new(streams.versions()[&(tenant.clone(), stream.clone())].get() + 1);
        assert_eq!(streams.place(tenant, stream, next), (0, 1));
        assert_eq!(streams.settled(tenant, stream, next, &[41]), Version::new(42));
    }
}
