//! The rules that need no clock.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{History, Logged, Operation, Outcome, Rule, Verdict, Wanted, What, index::Index, real_time};

/// Checks a history against all ten rules.
///
/// ```
/// use gesta_conformance::history::{History, check};
/// assert!(check(&History::default()).violations.is_empty());
/// ```
pub fn check(history: &History) -> Verdict {
    let mut verdict =
        Verdict { events: history.log.len(), operations: history.operations.len(), ..Verdict::default() };
    log(history, &mut verdict);
    let index = Index::of(history);
    for (at, call) in history.operations.iter().enumerate() {
        match &call.what {
            What::Append { appends, outcome } => append(&index, at, appends, outcome, &mut verdict),
            What::Read { stream, after, limited: _, saw } => {
                read(&index, call, stream.as_deref(), *after, saw, &mut verdict);
            }
        }
    }
    if history.closed {
        strangers(history, &mut verdict);
    }
    real_time::check(&index, &mut verdict);
    verdict
}

/// Positions and versions without a gap, every id once.
fn log(history: &History, verdict: &mut Verdict) {
    let mut versions: HashMap<&str, u64> =
        history.versions.iter().map(|(stream, version)| (stream.as_str(), *version)).collect();
    let mut ids: HashSet<(&str, Uuid)> = HashSet::new();
    for (at, event) in history.log.iter().enumerate() {
        let position = history.start + 1 + at as u64;
        if event.position != position {
            verdict.add(Rule::Dense, format!("position {} where {position} belongs", event.position));
        }
        let version = versions.entry(&event.stream).or_default();
        *version += 1;
        if event.version != *version {
            let (stream, got) = (&event.stream, event.version);
            verdict.add(Rule::Expected, format!("{stream} has version {got} where {version} belongs"));
        }
        let tenant = event.stream.split('/').next().unwrap_or_default();
        if !ids.insert((tenant, event.id)) {
            verdict.add(Rule::Once, format!("{} is in the log twice, again at {}", event.id, event.position));
        }
    }
}

fn append(index: &Index<'_>, at: usize, appends: &[Wanted], outcome: &Outcome, verdict: &mut Verdict) {
    let ids: Vec<Uuid> = appends.iter().flat_map(|append| &append.ids).copied().collect();
    verdict.batches += usize::from(ids.len() > 1);
    match outcome {
        Outcome::Acknowledged { places, .. } => {
            verdict.acknowledged += 1;
            acknowledged(index, &ids, places, verdict);
        }
        Outcome::Conflict { .. } => verdict.conflicts += 1,
        Outcome::Unknown => verdict.unknown += 1,
        Outcome::Refused => {}
    }
    let found: Vec<&Logged> = ids.iter().filter_map(|id| index.by_id.get(id).copied()).collect();
    let effect = found.first().and_then(|_| index.effects.get(ids.first()?));
    match effect {
        None if found.is_empty() => {}
        // Some other call with these ids is what put them there, or nobody did.
        None if matches!(outcome, Outcome::Refused | Outcome::Conflict { .. }) => {
            if !index.effects.contains_key(&ids[0]) && found.len() == ids.len() {
                verdict.add(Rule::Refused, format!("{} was refused and is at {}", ids[0], found[0].position));
            }
        }
        None => verdict.add(Rule::Whole, format!("the batch of {} is there in part", ids[0])),
        Some(effect) if *effect == at => took_effect(appends, &ids, &found, verdict),
        Some(_) => {}
    }
}

fn acknowledged(index: &Index<'_>, ids: &[Uuid], places: &[(u64, u64)], verdict: &mut Verdict) {
    if ids.len() != places.len() {
        verdict.add(Rule::Acknowledged, format!("{} events, {} places", ids.len(), places.len()));
    }
    for (id, (position, version)) in ids.iter().zip(places) {
        if *position <= index.history.start {
            continue;
        }
        match index.at(*position) {
            Some(event) if event.id == *id && event.version == *version => {}
            Some(other) => {
                let is = format!("{} at version {}", other.id, other.version);
                let what = format!("{id} was acknowledged at {position} as version {version}, there is {is}");
                verdict.add(Rule::Acknowledged, what);
            }
            None => {
                verdict.add(Rule::Acknowledged, format!("{id} was acknowledged at {position} and is lost"))
            }
        }
    }
}

/// A batch in the log is whole and contiguous, and every stream was as expected just before it.
fn took_effect(appends: &[Wanted], ids: &[Uuid], found: &[&Logged], verdict: &mut Verdict) {
    let whole = found.len() == ids.len();
    if !whole || found.windows(2).any(|pair| pair[1].position != pair[0].position + 1) {
        let what = format!("the batch of {} has {} of {} events in a row", ids[0], found.len(), ids.len());
        return verdict.add(Rule::Whole, what);
    }
    let mut events = found.iter();
    for append in appends {
        for (nth, _) in append.ids.iter().enumerate() {
            let Some(event) = events.next() else { return };
            if event.stream != append.stream {
                verdict.add(
                    Rule::Acknowledged,
                    format!("{} is in {}, not {}", event.id, event.stream, append.stream),
                );
            }
            let before = gesta_core::Version::new(event.version.saturating_sub(1));
            if nth == 0 && !append.expected.accepts(before) {
                let what = format!(
                    "{} expected {} of {} and came at {before}",
                    event.id, append.expected, event.stream
                );
                verdict.add(Rule::Expected, what);
            }
        }
    }
}

/// What was seen is in the log as it was seen, in order, with nothing left out between.
fn read(
    index: &Index<'_>,
    call: &Operation,
    stream: Option<&str>,
    after: u64,
    saw: &[Logged],
    verdict: &mut Verdict,
) {
    verdict.observations += saw.len();
    let start = index.history.start;
    let who = format!("client {} at {}", call.client, call.invoked);
    for seen in saw.iter().filter(|seen| seen.position > start) {
        if index.at(seen.position) != Some(seen) {
            let what = format!("{who} saw {} at {}, the log does not hold it so", seen.id, seen.position);
            verdict.add(Rule::Phantom, what);
        }
    }
    let place = |event: &Logged| if stream.is_some() { event.version } else { event.position };
    for (next, seen) in (after + 1..).zip(saw) {
        if stream.is_some_and(|stream| stream != seen.stream) || place(seen) != next {
            verdict.add(Rule::Slice, format!("{who} saw {} where {next} comes next", place(seen)));
            return;
        }
    }
}

/// In a closed history every event was sent by a call.
fn strangers(history: &History, verdict: &mut Verdict) {
    let sent: HashSet<Uuid> = history
        .operations
        .iter()
        .filter_map(|call| match &call.what {
            What::Append { appends, .. } => {
                Some(appends.iter().flat_map(|append| append.ids.iter().copied()))
            }
            What::Read { .. } => None,
        })
        .flatten()
        .collect();
    for event in history.log.iter().filter(|event| !sent.contains(&event.id)) {
        verdict.add(Rule::Phantom, format!("nobody sent {} at {}", event.id, event.position));
    }
}
