//! Processors as they look on the wire.

use gesta::{ProcessorInfo, ProcessorKind, ProcessorState, ProcessorStatus, RebuildProgress};
use gesta_api::{Processor, ProcessorKind as Kind, ProcessorState as State, Progress, Rebuild};

use crate::routes::millis;

pub(super) fn shown(info: ProcessorInfo) -> Processor {
    let (kind, tables) = match info.kind {
        ProcessorKind::Projection { tables } => (Kind::Projection, tables),
        _ => (Kind::Handler, Vec::new()),
    };
    Processor {
        name: info.name,
        kind,
        tables,
        tenant: info.tenant.map(|tenant| tenant.to_string()),
        generation: info.generation,
        previous_generation: info.previous,
        progress: progress(info.status, info.paused, info.owner.is_some()),
        rebuild: info.rebuild.map(rebuild),
        note: info.note,
        owner: info.owner,
    }
}

fn progress(status: ProcessorStatus, paused: bool, elsewhere: bool) -> Progress {
    let (state, reason) = match word(status.state) {
        // Whoever has just told it to pause should read so.
        (State::Running, _) if paused => (State::Paused, Some("it finishes its batch".to_owned())),
        (State::Waiting, reason) if paused && elsewhere => (State::Paused, reason),
        known => known,
    };
    Progress {
        state,
        reason,
        position: status.position.get(),
        head: status.head.get(),
        lag_events: status.lag_events,
        lag_ms: millis(status.lag),
        last_event_id: status.last_event,
        last_processed_at: status.last_handled_at,
        processed: status.processed,
        skipped: status.skipped,
        dead_letters: status.dead_letters,
        errors: status.failures,
        last_error: status.last_error,
    }
}

fn rebuild(progress: RebuildProgress) -> Rebuild {
    let (state, reason) = word(progress.status.state);
    Rebuild {
        generation: progress.generation,
        state,
        reason,
        done: progress.done.get(),
        of: progress.of.get(),
        time_left_ms: progress.time_left.map(millis),
    }
}

/// What it does, and why.
fn word(state: ProcessorState) -> (State, Option<String>) {
    match state {
        ProcessorState::Running => (State::Running, None),
        ProcessorState::Paused => (State::Paused, None),
        ProcessorState::Waiting { reason } => (State::Waiting, Some(reason)),
        ProcessorState::Retrying { attempt, reason, delay } => {
            let reason = format!("{reason}; attempt {attempt} failed, the next one comes in {delay:?}");
            (State::Retrying, Some(reason))
        }
        ProcessorState::Stopped { reason } => (State::Stopped, reason),
        // A state of a newer engine.
        other => (State::Waiting, Some(format!("{other:?}"))),
    }
}
