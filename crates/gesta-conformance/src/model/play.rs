//! Plays a random history on a backend and on the model side by side.

use std::sync::Arc;

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, Direction, EventStore, Filter, ListStreams, Position, ReadAll, ReadStream, RecordedEvent,
    StreamInfo, Tenant,
};

use super::{Command, Model, Outcome, commands::Commands, digest};
use crate::{Backend, Dice, given};

/// Plays `steps` random commands of run `run`, two tenants of the run's own among them. Panics with run, step and
/// command where an answer is not the model's; otherwise answers with the digest of what it left in the log, which
/// depends on run and steps alone.
pub async fn play(backend: &dyn Backend, run: u64, steps: usize) -> u64 {
    let tenants: Vec<Tenant> =
        ["a", "b"].map(|name| given::tenant(&format!("run{run}.{steps}.{name}"))).into();
    let store = backend.store(&tenants[0]).await;
    let multi_stream = store.capabilities().multi_stream;
    let mut model = Model { start: given::head(&store).await.get(), ..Model::default() };
    drop(store);
    let mut commands = Commands::new(Dice::of(run), tenants, multi_stream);
    for step in 0..steps {
        let command = commands.next(&model);
        if let Err(difference) = step_once(backend, &mut model, &command).await {
            panic!("run {run}, step {step}: {command:?}\n{difference}");
        }
    }
    // Tenants are named by the run's length, so that runs do not meet; the digest must not depend on them.
    let neutral = |event: &RecordedEvent| RecordedEvent { tenant: Tenant::default(), ..event.clone() };
    digest(&model.log.iter().map(neutral).collect::<Vec<_>>(), model.start)
}

async fn step_once(backend: &dyn Backend, model: &mut Model, command: &Command) -> Result<(), String> {
    match command {
        Command::Append(batch) => append(backend, model, batch).await,
        Command::ReadStream(read) => {
            let store = backend.store(&read.tenant).await;
            same_events(&read_stream(model, read), store.read_stream(read.clone()).try_collect().await)
        }
        Command::ReadAll(read) => {
            let store = backend.store(read.filter.tenant.as_ref().expect("of one tenant")).await;
            same_events(&read_all(model, read), store.read_all((**read).clone()).try_collect().await)
        }
        Command::List(list) => {
            let listed = backend.catalog(&list.tenant).await.list_streams(list.clone()).await;
            same(&list_streams(model, list), &listed.map_err(|error| error.to_string())?)
        }
        Command::Reopen => {
            backend.reopen().await;
            whole_log(backend, model).await
        }
    }
}

async fn append(backend: &dyn Backend, model: &mut Model, batch: &AppendBatch) -> Result<(), String> {
    let store: Arc<dyn EventStore> = backend.store(&batch.tenant).await;
    let wanted = model.decide(batch);
    let answer = store.append(batch.clone()).await;
    same(&wanted, &Outcome::of(&answer, model.start))?;
    if let (Outcome::Placed { repeated, .. }, Ok(appended)) = (wanted, answer) {
        let times: Vec<_> = appended.events.iter().map(|event| event.recorded_at).collect();
        if repeated {
            let stored = |at: &gesta_core::AppendedEvent| {
                model.log.iter().find(|have| have.position == at.position).map(|have| have.recorded_at)
            };
            let first: Vec<_> = appended.events.iter().filter_map(stored).collect();
            return same(&first, &times);
        }
        model.record(batch, &times);
    }
    Ok(())
}

/// Every tenant's events, merged, are the model's log.
async fn whole_log(backend: &dyn Backend, model: &Model) -> Result<(), String> {
    let mut tenants: Vec<_> = model.log.iter().map(|event| event.tenant.clone()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let mut all: Vec<RecordedEvent> = Vec::new();
    for tenant in tenants {
        let store = backend.store(&tenant).await;
        let read = ReadAll::of(Filter::of(tenant)).after(Position::new(model.start));
        let events: Vec<_> = store.read_all(read).try_collect().await.map_err(|e| e.to_string())?;
        all.extend(events);
    }
    all.sort_unstable_by_key(|event| event.position);
    same(&digest(&model.log, model.start), &digest(&all, model.start))?;
    same(&model.log, &all)
}

fn read_stream(model: &Model, read: &ReadStream) -> Vec<RecordedEvent> {
    let of = |e: &&RecordedEvent| e.tenant == read.tenant && e.stream == read.stream;
    let within = |e: &&RecordedEvent| read.after < e.version && e.version <= read.up_to;
    directed(model.log.iter().filter(of).filter(within).cloned().collect(), read.direction, read.limit)
}

fn read_all(model: &Model, read: &ReadAll) -> Vec<RecordedEvent> {
    let within = |e: &&RecordedEvent| read.after < e.position && e.position <= read.up_to;
    let passing = model.log.iter().filter(within).filter(|event| read.filter.accepts(event));
    directed(passing.cloned().collect(), read.direction, read.limit)
}

fn directed(mut found: Vec<RecordedEvent>, direction: Direction, limit: usize) -> Vec<RecordedEvent> {
    if direction == Direction::Backwards {
        found.reverse();
    }
    found.truncate(limit);
    found
}

fn list_streams(model: &Model, list: &ListStreams) -> Vec<StreamInfo> {
    let mut infos: Vec<StreamInfo> = Vec::new();
    for event in model.log.iter().filter(|event| event.tenant == list.tenant && list.accepts(&event.stream)) {
        infos.retain(|info| info.stream != event.stream);
        let stream = event.stream.clone();
        infos.push(StreamInfo { stream, version: event.version, last_position: event.position });
    }
    infos.sort_unstable_by(|a, b| a.stream.cmp(&b.stream));
    infos.truncate(list.limit);
    infos
}

fn same_events(
    wanted: &[RecordedEvent],
    got: Result<Vec<RecordedEvent>, gesta_core::ReadError>,
) -> Result<(), String> {
    same(&wanted.to_vec(), &got.map_err(|error| error.to_string())?)
}

fn same<T: PartialEq + std::fmt::Debug>(wanted: &T, got: &T) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("the model says {wanted:?}\nthe store says {got:?}")) }
}
