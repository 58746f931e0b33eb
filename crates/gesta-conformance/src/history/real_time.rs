//! The rules that need the clock: an instant for every call, in one sweep.

use std::collections::HashMap;

use super::{Logged, Operation, Outcome, Rule, Verdict, Wanted, What, index::Index};

/// The instants at which a call may have been: after `least` is readable and before `most` is; an append also must
/// find nothing at or behind its own first event yet.
#[derive(Debug, Clone, Copy)]
struct Window {
    least: u64,
    /// The first position that must not be there yet.
    most: u64,
}

pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    let calls = &index.history.operations;
    let mut by_call: Vec<usize> = (0..calls.len()).collect();
    by_call.sort_unstable_by_key(|at| calls[*at].invoked);
    let mut by_reply: Vec<usize> = (0..calls.len()).collect();
    by_reply.sort_unstable_by_key(|at| calls[*at].returned);
    let mut instants = vec![index.history.start; calls.len()];
    let mut own: HashMap<u32, u64> = HashMap::new();
    let (mut answered, mut floor) = (by_reply.iter().peekable(), index.history.start);
    for at in by_call {
        let call = &calls[at];
        while let Some(earlier) = answered.next_if(|earlier| calls[**earlier].returned < call.invoked) {
            floor = floor.max(instants[*earlier]);
        }
        let Some(window) = window(index, at, call, verdict) else { continue };
        if floor >= window.most {
            let mine = own.get(&call.client).is_some_and(|mine| *mine >= window.most);
            let reads = matches!(call.what, What::Read { .. });
            let rule = if mine && reads { Rule::Backwards } else { Rule::RealTime };
            let (client, invoked, most) = (call.client, call.invoked, window.most);
            let what = format!(
                "client {client} at {invoked}: everything up to {floor} was answered before, {most} was not there yet"
            );
            verdict.add(rule, what);
        }
        instants[at] = window.least.max(floor.min(window.most.saturating_sub(1)));
        if call.returned != u64::MAX {
            let mine = own.entry(call.client).or_default();
            *mine = instants[at].max(*mine);
        }
    }
}

fn window(index: &Index<'_>, at: usize, call: &Operation, verdict: &mut Verdict) -> Option<Window> {
    match &call.what {
        What::Append { appends, outcome } => append(index, at, appends, outcome, verdict),
        What::Read { stream, after, limited, saw } => {
            Some(read(index, stream.as_deref(), *after, *limited, saw))
        }
    }
}

fn append(
    index: &Index<'_>,
    at: usize,
    appends: &[Wanted],
    outcome: &Outcome,
    verdict: &mut Verdict,
) -> Option<Window> {
    let ids = || appends.iter().flat_map(|append| &append.ids);
    let placed = || ids().filter_map(|id| index.by_id.get(id)).map(|event| event.position);
    if let Outcome::Conflict { stream, actual } = outcome {
        let window = conflict(index, appends, stream, *actual, verdict)?;
        // Ids are looked up before versions: once the batch is there, it is a repeat and no conflict.
        let effect = ids().next().filter(|first| index.effects.contains_key(first));
        let most = effect.and_then(|_| placed().min()).unwrap_or(u64::MAX);
        return Some(Window { most: window.most.min(most), ..window });
    }
    let effect = ids().next().and_then(|first| index.effects.get(first)).is_some_and(|effect| *effect == at);
    match outcome {
        _ if effect => Some(Window { least: placed().max()?, most: placed().min()? }),
        Outcome::Acknowledged { .. } => Some(Window { least: placed().max()?, most: u64::MAX }),
        _ => None,
    }
}

/// A conflict must have been true at some instant.
fn conflict(
    index: &Index<'_>,
    appends: &[Wanted],
    stream: &str,
    actual: u64,
    verdict: &mut Verdict,
) -> Option<Window> {
    // An append sees those before it in the same batch; the first that does not fit is the one that is told.
    let mut added = 0;
    for append in appends.iter().filter(|append| append.stream == stream) {
        if !append.expected.accepts(gesta_core::Version::new(actual)) && added <= actual {
            let span = index.span(stream, actual - added);
            if span.is_none() {
                verdict.add(
                    Rule::Phantom,
                    format!("a conflict told version {actual} of {stream}, it never had it"),
                );
            }
            return span.map(|(least, most)| Window { least, most });
        }
        added += append.ids.len() as u64;
    }
    verdict
        .add(Rule::Expected, format!("a conflict told {stream} is at {actual}, which is what was expected"));
    None
}

/// A read was at an instant after the last event it saw and, if it went to the end, before the next it did not see.
fn read(index: &Index<'_>, stream: Option<&str>, after: u64, limited: bool, saw: &[Logged]) -> Window {
    let least = saw.iter().map(|seen| seen.position).max().unwrap_or(index.history.start);
    let unseen = match stream {
        None => after.max(least).max(index.history.start) + 1,
        Some(stream) => {
            let last = saw.last().map_or(after, |seen| seen.version);
            index.span(stream, last).map_or(u64::MAX, |(_, next)| next)
        }
    };
    Window { least, most: if limited { u64::MAX } else { unseen } }
}
