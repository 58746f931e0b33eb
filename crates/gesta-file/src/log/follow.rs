//! The index thread: follows the log and keeps the index up to it.

use std::{thread, time::Duration};

use gesta_core::{Filter, Position, ReadError, RecordedEvent};

use super::{Log, page::Forward};
use crate::{
    background::step_back,
    index::{Entry, IndexError, WORTHWHILE},
};

const TRY_AGAIN: Duration = Duration::from_millis(500);

/// The thread's loop: ends when the tail is stopped and empty.
pub(crate) fn run(log: &Log) {
    step_back();
    while let Some(taken) = log.tail.take() {
        let entries = taken.entries();
        let mut tries = 0;
        while let Err(error) = log.index.apply(entries) {
            tries += 1;
            tracing::warn!(%error, tries, "the index does not take entries");
            let last = entries.last().map_or(Position::START, |entry| entry.position);
            match mend(log, tries, last) {
                Ok(()) => break,
                Err(error) => tracing::error!(%error, "the index cannot be mended yet"),
            }
            if log.tail.is_stopped() {
                // The watermark tells the next start where to go on.
                return;
            }
            thread::sleep(TRY_AGAIN);
        }
        log.tail.let_go(taken);
    }
}

/// Opens the index again, or begins it anew, and brings it up to `last`, which must be durable.
fn mend(log: &Log, tries: u32, last: Position) -> Result<(), FollowError> {
    if tries < 3 {
        log.index.reopen()?
    } else {
        log.index.rebuild()?
    }
    catch_up(log, last)
}

/// Why the index could not be brought up to the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Applies what lies between the index's watermark and `up_to`, read from the log.
pub(crate) fn catch_up(log: &Log, up_to: Position) -> Result<(), FollowError> {
    let mut entries = Vec::with_capacity(WORTHWHILE);
    let from = log.index.watermark();
    let mut told = from;
    each(log, from, up_to, |event| {
        entries.push(entry(&event));
        if entries.len() < WORTHWHILE && event.position < up_to {
            return Ok(());
        }
        log.index.apply(&entries)?;
        entries.clear();
        if told.get() + 1_000_000 < event.position.get() {
            told = event.position;
            tracing::info!(position = %told, %up_to, "building the index from the log");
        }
        Ok(())
    })
}

/// Puts what lies behind the index's watermark into the tail, read from the log.
pub(crate) fn fill_tail(log: &Log, up_to: Position) -> Result<(), FollowError> {
    each(log, log.index.watermark(), up_to, |event| {
        log.tail.push(entry(&event));
        Ok(())
    })?;
    log.tail.settle(up_to);
    Ok(())
}

fn each(
    log: &Log,
    after: Position,
    up_to: Position,
    mut work: impl FnMut(RecordedEvent) -> Result<(), FollowError>,
) -> Result<(), FollowError> {
    let everything = Filter::everything();
    let mut walk = Forward::new(after, up_to);
    while !walk.is_done() {
        for event in walk.page(log, &everything)? {
            work(event)?;
        }
    }
    Ok(())
}

/// What the index keeps of a recorded event.
pub(crate) fn entry(event: &RecordedEvent) -> Entry {
    let own = event.id.to_string();
    Entry {
        position: event.position,
        tenant: event.tenant.clone(),
        stream: event.stream.clone(),
        version: event.version,
        id: event.id,
        correlation: correlation(&event.metadata).filter(|given| *given != own),
    }
}

/// The correlation in stored metadata. It comes first there; only one with an escape in it needs a parser.
fn correlation(metadata: &[u8]) -> Option<String> {
    let plain = metadata.strip_prefix(b"{\"correlation_id\":\"").and_then(|rest| {
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        (rest[end] == b'"').then(|| std::str::from_utf8(&rest[..end]).ok()).flatten()
    });
    plain.map(str::to_owned).or_else(|| gesta_core::Metadata::from_json(metadata).ok()?.correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_is_read_with_and_without_escapes() {
        assert_eq!(correlation(br#"{"correlation_id":"a","x":1}"#).as_deref(), Some("a"));
        assert_eq!(correlation(br#"{"correlation_id":"a\"b"}"#).as_deref(), Some("a\"b"));
        assert_eq!(correlation(br#"{"x":1}"#), None);
    }
}
