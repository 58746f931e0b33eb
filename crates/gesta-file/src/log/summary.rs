//! The summary of a sealed segment: what it holds, and where its records begin.
//!
//! Derived from the segment and made anew when it is lost. The head is checked when it is read; the offsets behind
//! it are checked by what they point to.

use std::{collections::BTreeSet, fs::File, io, path::Path};

use gesta_core::{EnvelopeDecoder, Filter, Incarnation, Position, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{
    folder::replace,
    frame::u64_at,
    meta::FORMAT,
    scan::{Records, Scan, Step, list, read_up_to},
    tail::is_ordered,
};
use crate::Damage;

const MAGIC: &[u8; 8] = b"GESTASUM";
const START: usize = 24;
/// A set of names that would grow larger is left out, and then excludes nothing.
const MOST_NAMES: usize = 256;
const MOST_HEAD_BYTES: usize = 1 << 20;

/// What a sealed segment holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) incarnation: Incarnation,
    pub(crate) first: Position,
    pub(crate) last: Position,
    /// Where the last group ends.
    pub(crate) bytes: u64,
    /// XXH3-128 of those bytes, in hexadecimal.
    pub(crate) hash: String,
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
    /// The greatest id of version 7, nil if there is none.
    #[serde(default)]
    pub(crate) newest_id: Option<Uuid>,
    tenants: Option<BTreeSet<String>>,
    categories: Option<BTreeSet<String>>,
    types: Option<BTreeSet<String>>,
    /// Where the offsets begin in the summary's own file.
    #[serde(skip)]
    offsets_at: u64,
}

impl Summary {
    pub(crate) fn records(&self) -> u64 {
        self.last.get() + 1 - self.first.get()
    }

    /// Where in the summary's file the offset of the record with this index stands, as four bytes.
    pub(crate) fn offset_place(&self, index: u64) -> u64 {
        self.offsets_at + 4 * index
    }

    /// Whether the segment may hold an event that passes.
    pub(crate) fn may_hold(&self, filter: &Filter) -> bool {
        let has = |names: &Option<BTreeSet<String>>, test: &dyn Fn(&str) -> bool| {
            names.as_ref().is_none_or(|names| names.iter().any(|name| test(name)))
        };
        let category = |name: &str| {
            (filter.system || !name.starts_with('$'))
                && (filter.categories.is_empty() || filter.categories.iter().any(|wanted| wanted == name))
                && (filter.streams.is_empty()
                    || filter.streams.iter().any(|wanted| in_category(wanted.as_str(), name)))
        };
        let of_type = |name: &str| filter.types.is_empty() || filter.types.iter().any(|t| t.matches(name));
        has(&self.tenants, &|name| filter.tenant.as_ref().is_none_or(|wanted| wanted.as_str() == name))
            && has(&self.types, &of_type)
            && has(&self.categories, &category)
            && filter.recorded_from.is_none_or(|from| self.latest.is_none_or(|latest| from <= latest))
            && filter.recorded_before.is_none_or(|before| self.earliest.is_none_or(|first| first < before))
    }

    /// Reads the head of a summary; `None` if it is not there or not to be relied on.
    pub(crate) fn read(segment: &Path, incarnation: Incarnation, first: Position) -> Option<Self> {
        let file = File::open(segment.with_extension("summary")).ok()?;
        let mut start = [0; START];
        (read_up_to(&file, &mut start, 0).ok()? == START && start[..8] == *MAGIC).then_some(())?;
        let format = u32::from_le_bytes(start[8..12].try_into().expect("four bytes"));
        let length = u32::from_le_bytes(start[12..16].try_into().expect("four bytes")) as usize;
        (format == FORMAT && length <= MOST_HEAD_BYTES).then_some(())?;
        let mut head = vec![0; length];
        (read_up_to(&file, &mut head, START as u64).ok()? == length).then_some(())?;
        (u64_at(&start, 16) == xxh3_64(&head)).then_some(())?;
        let mut summary: Self = serde_json::from_slice(&head).ok()?;
        summary.offsets_at = (START + length) as u64;
        let size = file.metadata().ok()?.len();
        let fits = summary.incarnation == incarnation
            && summary.first == first
            && size == summary.offset_place(summary.records());
        fits.then_some(summary)
    }

    /// Writes the summary beside its segment: whole and durable, or not at all.
    fn write(&mut self, path: &Path, offsets: &[u32]) -> io::Result<()> {
        let head = serde_json::to_vec(self)?;
        self.offsets_at = (START + head.len()) as u64;
        let mut bytes = Vec::with_capacity(START + head.len() + offsets.len() * 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(head.len()).expect("names are bounded").to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&head).to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        replace(&path.with_extension("summary"), &bytes)
    }
}

/// Whether a stream pattern may match a stream of this category.
fn in_category(pattern: &str, category: &str) -> bool {
    let fixed = pattern.split('*').next().unwrap_or_default();
    match fixed.split_once('-') {
        Some((wanted, _)) => wanted == category,
        None => category.starts_with(fixed),
    }
}

/// Why a segment could not be summarised.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a whole sealed segment, checks all of it, and writes its summary. `until` is the end of its groups where it
/// is known, else the length of its file.
pub(crate) fn seal(
    path: &Path,
    incarnation: Incarnation,
    first: Position,
    until: u64,
) -> Result<Summary, SealError> {
    let file = File::open(path)?;
    let mut names = Names::default();
    let mut offsets = Vec::new();
    let mut decoder = EnvelopeDecoder::default();
    let mut scan = Scan::of(&file, incarnation, first, until);
    loop {
        let at = scan.offset();
        match scan.step()? {
            Step::Group(group) => {
                list(group.at, group.frames, &mut offsets);
                for record in Records::of(group.frames).flatten() {
                    let envelope = bytes::Bytes::copy_from_slice(record.envelope());
                    let event = decoder
                        .decode(&envelope, 0..envelope.len())
                        .map_err(|error| Damage::range(path, group.at, at, error.to_string()))?;
                    names.add(&event);
                }
            }
            Step::Blank => break,
            Step::Broken(broken) => return Err(Damage::range(path, at, until, broken.reason).into()),
        }
    }
    let end = scan.offset();
    let mut summary = names.summary(incarnation, first, scan.expected(), end, hash(&file, end)?);
    summary.write(path, &offsets)?;
    Ok(summary)
}

/// The hash of a segment's bytes up to `end`.
pub(crate) fn hash(file: &File, end: u64) -> io::Result<String> {
    let mut hash = Xxh3::new();
    let mut bytes = vec![0; 1 << 20];
    let mut at = 0;
    while at < end {
        let most = bytes.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let read = read_up_to(file, &mut bytes[..most], at)?;
        if read == 0 {
            break;
        }
        hash.update(&bytes[..read]);
        at += read as u64;
    }
    Ok(format!("{:032x}", hash.digest128()))
}

/// What a summary collects while a segment is read.
#[derive(Default)]
struct Names {
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
    newest_id: Uuid,
    tenants: BTreeSet<String>,
    categories: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, event: &RecordedEvent) {
        self.earliest = Some(self.earliest.map_or(event.recorded_at, |t| t.min(event.recorded_at)));
        self.latest = Some(self.latest.map_or(event.recorded_at, |t| t.max(event.recorded_at)));
        if is_ordered(event.id) {
            self.newest_id = self.newest_id.max(event.id);
        }
        note(&mut self.tenants, event.tenant.as_str());
        note(&mut self.categories, event.stream.category());
        note(&mut self.types, &event.event_type);
    }

    fn summary(
        self,
        incarnation: Incarnation,
        first: Position,
        next: Position,
        bytes: u64,
        hash: String,
    ) -> Summary {
        let bounded = |names: BTreeSet<String>| (names.len() <= MOST_NAMES).then_some(names);
        Summary {
            incarnation,
            first,
            last: Position::new(next.get() - 1),
            bytes,
            hash,
            earliest: self.earliest,
            latest: self.latest,
            newest_id: Some(self.newest_id),
            tenants: bounded(self.tenants),
            categories: bounded(self.categories),
            types: bounded(self.types),
            offsets_at: 0,
        }
    }
}

/// One name beyond the bound stays in, to tell that there were too many.
fn note(names: &mut BTreeSet<String>, name: &str) {
    if names.len() <= MOST_NAMES && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::Tenant;

    fn summary() -> Summary {
        let names = Names {
            earliest: Some(Timestamp::from_micros(10)),
            latest: Some(Timestamp::from_micros(20)),
            newest_id: Uuid::nil(),
            tenants: ["default".to_owned()].into(),
            categories: ["order".to_owned(), "$group".to_owned()].into(),
            types: ["order.placed".to_owned()].into(),
        };
        names.summary(Incarnation::from_bytes([0; 16]), Position::new(1), Position::new(9), 64, String::new())
    }

    #[test]
    fn a_segment_is_left_out_only_if_it_cannot_hold_what_is_asked_for() {
        let all = Filter::of(Tenant::default());
        let at = |micros| Some(Timestamp::from_micros(micros));
        for filter in [
            all.clone(),
            all.clone().types(["order.*"]),
            all.clone().streams(["order-7"]),
            all.clone().streams(["ord*"]),
            all.clone().streams(["*7"]),
            all.clone().categories(["order"]),
            Filter { recorded_from: at(20), ..all.clone() },
            Filter { recorded_before: at(11), ..all.clone() },
        ] {
            assert!(summary().may_hold(&filter), "{filter:?}");
        }
        for filter in [
            Filter::of("other".parse().expect("legal")),
            all.clone().types(["sample.*"]),
            all.clone().streams(["orders-*"]),
            all.clone().categories(["$group"]),
            Filter { recorded_from: at(21), ..all.clone() },
            Filter { recorded_before: at(10), ..all.clone() },
        ] {
            assert!(!summary().may_hold(&filter), "{filter:?}");
        }
    }

    #[test]
    fn too_many_names_exclude_nothing() {
        let mut names = Names::default();
        for number in 0..MOST_NAMES + 5 {
            note(&mut names.types, &number.to_string());
        }
        let whole = names.summary(
            Incarnation::from_bytes([0; 16]),
            Position::new(1),
            Position::new(2),
            64,
            String::new(),
        );
        assert_eq!(whole.types, None);
    }
}
