//! Processors, for people.

use std::time::Duration;

use gesta_api::{Processor, ProcessorKind, ProcessorState, Processors, Rebuild};

use crate::{
    exit::Outcome,
    output::{number, table},
    shared::Shared,
};

pub(super) fn list(shared: &Shared, processors: Vec<Processor>) -> Outcome {
    shared.output.print(&Processors { processors }, |listed| {
        if listed.processors.is_empty() {
            return "this server runs no processors".to_owned();
        }
        table(
            ["PROCESSOR", "STATE", "POSITION", "LAG", "PROCESSED", "ERRORS", "GENERATION", "REBUILD"],
            listed.processors.iter().map(row),
        )
    })
}

fn row(processor: &Processor) -> [String; 8] {
    let progress = &processor.progress;
    let [position, lag, processed, errors] =
        [progress.position, progress.lag_events, progress.processed, progress.errors].map(number);
    let generation = match processor.kind {
        ProcessorKind::Projection => number(processor.generation),
        ProcessorKind::Handler => "-".to_owned(),
    };
    let rebuild = processor.rebuild.as_ref().map_or_else(String::new, percent);
    let (name, state) = (processor.name.clone(), word(progress.state).to_owned());
    [name, state, position, lag, processed, errors, generation, rebuild]
}

/// One processor.
pub(super) fn text(processor: &Processor) -> String {
    let progress = &processor.progress;
    let mut lines = vec![
        ("processor", processor.name.clone()),
        ("kind", kind(processor)),
        ("tenant", processor.tenant.clone().unwrap_or_else(|| "all".to_owned())),
        ("state", with_reason(progress.state, progress.reason.as_deref())),
        ("position", format!("{} of {}", number(progress.position), number(progress.head))),
        ("lag", format!("{} events, {} ms", number(progress.lag_events), number(progress.lag_ms))),
        ("last event", last(processor)),
        (
            "processed",
            format!(
                "{}, {} skipped, {} dead letters, {} attempts failed",
                number(progress.processed),
                number(progress.skipped),
                number(progress.dead_letters),
                number(progress.errors)
            ),
        ),
    ];
    if let Some(error) = &progress.last_error {
        lines.push(("last error", error.clone()));
    }
    if processor.kind == ProcessorKind::Projection {
        let former = processor.previous_generation.map(|former| format!(", swap-back goes to {former}"));
        lines.push(("generation", number(processor.generation) + &former.unwrap_or_default()));
    }
    if let Some(rebuild) = &processor.rebuild {
        lines.push(("rebuild", self::rebuild(rebuild)));
    }
    if let Some(note) = &processor.note {
        lines.push(("note", note.clone()));
    }
    let line = |(name, text): (&str, String)| format!("{name:<11}{text}").replace(char::is_control, " ");
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn kind(processor: &Processor) -> String {
    match processor.kind {
        ProcessorKind::Projection => format!("projection into {}", processor.tables.join(", ")),
        ProcessorKind::Handler => "handler".to_owned(),
    }
}

fn last(processor: &Processor) -> String {
    match (processor.progress.last_event_id, processor.progress.last_processed_at) {
        (Some(id), Some(at)) => format!("{id} at {at}"),
        (Some(id), None) => id.to_string(),
        _ => "none yet".to_owned(),
    }
}

/// A rebuild in a line.
pub(super) fn rebuild(rebuild: &Rebuild) -> String {
    let left = match rebuild.time_left_ms.map(Duration::from_millis) {
        Some(left) => format!(", {} s left", number(left.as_secs())),
        None => String::new(),
    };
    format!(
        "generation {} {}, {} of {} done, {}{left}",
        rebuild.generation,
        with_reason(rebuild.state, rebuild.reason.as_deref()),
        number(rebuild.done),
        number(rebuild.of),
        percent(rebuild),
    )
}

fn percent(rebuild: &Rebuild) -> String {
    let of = u128::from(rebuild.of.max(1));
    format!("{} %", (u128::from(rebuild.done) * 100 / of).min(100))
}

fn with_reason(state: ProcessorState, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{}: {reason}", word(state)),
        None => word(state).to_owned(),
    }
}

fn word(state: ProcessorState) -> &'static str {
    match state {
        ProcessorState::Waiting => "waiting",
        ProcessorState::Running => "running",
        ProcessorState::Retrying => "retrying",
        ProcessorState::Paused => "paused",
        ProcessorState::Stopped => "stopped",
    }
}
