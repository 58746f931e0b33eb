//! Read models into `state.db`, their rebuild, a replay, and how soon a command is visible.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gesta::{Command, ProcessorOptions, ProcessorState, Processors, Projection, Replay, Repository};
use gesta_core::{
    AppendBatch, CheckpointStore, EventHandler, EventStore, ExpectedVersion, Filter, HandlerError, NewEvent,
    Position, RecordedEvent, SystemClock, Tenant, Timestamp, read_model::ReadModelStore,
};
use gesta_file::{FileStore, Options};
use orders::{
    domain::order::{
        Order, OrderCommand, OrderConfirmed, OrderCreated, OrderDelivered, OrderItem, OrderShipped,
    },
    read_models::{
        order_by_id::OrderReadModelProjection, orders_by_customer::OrdersByCustomerProjection,
        orders_by_status::OrdersByStatusProjection,
    },
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::tell;
use crate::load::{Latency, histogram};

/// Whatever takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(600);
/// Commands whose way to a row is measured.
const VISIBLE: u64 = 300;

/// On a file store of its own.
pub(super) async fn measure(folder: &Path, events: u64) -> Result<(), String> {
    let file = FileStore::open(folder, Options::default()).map_err(|cause| cause.to_string())?;
    let ground = Ground {
        store: Arc::new(file.clone()),
        checkpoints: file.checkpoints(),
        read_models: file.read_models(),
    };
    measure_on(&ground, events).await?;
    file.close().await;
    Ok(())
}

/// What processors stand on.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) checkpoints: Arc<dyn CheckpointStore>,
    pub(crate) read_models: Arc<dyn ReadModelStore>,
}

/// On an empty log.
pub(crate) async fn measure_on(ground: &Ground, events: u64) -> Result<(), String> {
    let store = &ground.store;
    fill(store, events / 4).await?;
    let head = store.head().await.map_err(|cause| cause.to_string())?.position;
    replay(store, head).await?;

    let one = processors(ground);
    add(&one, OrdersByCustomerProjection, ProcessorOptions::default()).await?;
    caught_up(&one, "one read model", head).await?;
    one.shutdown().await;

    let all = processors(ground);
    add(&all, OrderReadModelProjection, ProcessorOptions::default()).await?;
    add(&all, OrdersByStatusProjection, ProcessorOptions::default()).await?;
    caught_up(&all, "two further read models at once", head).await?;
    add(&all, OrdersByCustomerProjection, ProcessorOptions::default()).await?;
    rebuild(&all, head).await?;
    let commands = VISIBLE.min(events / 1_000);
    visible(&all, store, commands, "a partial batch waits 100 ms").await?;
    all.shutdown().await;

    let hasty = processors(ground);
    let options = ProcessorOptions { flush: Duration::ZERO, ..ProcessorOptions::default() };
    add(&hasty, OrderReadModelProjection, options).await?;
    hasty.start_all().await.map_err(|cause| cause.to_string())?;
    visible(&hasty, store, commands, "a partial batch does not wait").await?;
    hasty.shutdown().await;
    Ok(())
}

fn processors(ground: &Ground) -> Processors {
    Processors::new(ground.store.clone(), ground.checkpoints.clone(), Arc::new(SystemClock), "bench")
        .with_read_models(ground.read_models.clone())
}

async fn add(to: &Processors, projection: impl Projection, options: ProcessorOptions) -> Result<(), String> {
    to.add_projection(projection, options).await.map_err(|cause| cause.to_string())
}

/// Orders of four events each, by eight writers.
async fn fill(store: &Arc<dyn EventStore>, orders: u64) -> Result<(), String> {
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for number in (writer..orders).step_by(8) {
                let stream = format!("order-{}", Uuid::from_u64_pair(3, number)).parse();
                let stream = stream.map_err(|cause| format!("{cause}"))?;
                let batch = AppendBatch::to(stream, ExpectedVersion::NoStream, life(number)?);
                store.append(batch).await.map_err(|cause| cause.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(filled) = writers.join_next().await {
        filled.map_err(|cause| cause.to_string())??;
    }
    Ok(())
}

/// An order from its placing to its delivery.
fn life(number: u64) -> Result<Vec<NewEvent>, String> {
    let at = Timestamp::from_micros(1_700_000_000_000_000 + number.cast_signed() * 1_000);
    let item = OrderItem::of(Uuid::from_u128(7), 2);
    let created = OrderCreated { customer_id: Uuid::from_u64_pair(5, number % 10_000), items: vec![item] };
    let shipped = OrderShipped { tracking_number: "TRACK123".into(), carrier: "DHL".into(), shipped_at: at };
    let events = [
        NewEvent::json("OrderCreated", &created),
        NewEvent::json("OrderConfirmed", &OrderConfirmed { confirmed_at: at }),
        NewEvent::json("OrderShipped", &shipped),
        NewEvent::json("OrderDelivered", &OrderDelivered { delivered_at: at, signature: None }),
    ];
    events.into_iter().collect::<Result<_, _>>().map_err(|cause| cause.to_string())
}

struct Nothing;

#[async_trait]
impl EventHandler for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, _: &[RecordedEvent]) -> Result<(), HandlerError> {
        Ok(())
    }
}

async fn replay(store: &Arc<dyn EventStore>, head: Position) -> Result<(), String> {
    let began = Instant::now();
    let replay = Replay::of(store.clone(), Filter::of(Tenant::default()));
    let running = replay.start(Arc::new(Nothing)).await.map_err(|cause| cause.to_string())?;
    let done = running.finish().await.map_err(|cause| cause.to_string())?;
    if done.handled != head.get() {
        return Err(format!("{} events replayed of {head}", done.handled));
    }
    tell("replay through a handler that does nothing", per_second(head, began), Latency::default())
}

/// From nothing to the head, all that were added.
async fn caught_up(processors: &Processors, what: &str, head: Position) -> Result<(), String> {
    let began = Instant::now();
    processors.start_all().await.map_err(|cause| cause.to_string())?;
    let list = processors.list();
    for one in &list {
        wait(processors, &one.name, head).await?;
    }
    let events = Position::new(head.get() * list.len() as u64);
    tell(&format!("events projected: {what}"), per_second(events, began), Latency::default())
}

async fn rebuild(processors: &Processors, head: Position) -> Result<(), String> {
    let began = Instant::now();
    let list = processors.list();
    for one in &list {
        processors.rebuild(&one.name).await.map_err(|cause| cause.to_string())?;
    }
    while let Some(running) = processors.list().into_iter().find_map(|one| one.rebuild) {
        if let ProcessorState::Stopped { reason: Some(reason) } = running.status.state {
            return Err(format!("generation {} of {}: {reason}", running.generation, running.status.name));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let events = Position::new(head.get() * list.len() as u64);
    let what =
        format!("rebuild of {} read models at once ({:.1} s)", list.len(), began.elapsed().as_secs_f64());
    tell(&what, per_second(events, began), Latency::default())
}

/// From the acknowledgement of a command until its row is there.
async fn visible(
    processors: &Processors,
    store: &Arc<dyn EventStore>,
    commands: u64,
    how: &str,
) -> Result<(), String> {
    let (orders, mut latencies) = (Repository::<Order>::new(store.clone()), histogram());
    for _ in 0..commands {
        let items = vec![OrderItem::of(Uuid::from_u128(7), 2)];
        let create = OrderCommand::CreateOrder { customer_id: Uuid::from_u128(1), items };
        let executed = orders.execute(Command::new(Uuid::now_v7().to_string(), create)).await;
        let executed = executed.map_err(|cause| cause.to_string())?;
        let position = executed.position().ok_or("a new order has events")?;
        let began = Instant::now();
        wait(processors, "order-read-model", position).await?;
        latencies.saturating_record(began.elapsed().as_micros() as u64);
    }
    tell(&format!("from acknowledged to a visible row, {how}"), 0.0, Latency::of(&latencies))
}

async fn wait(processors: &Processors, name: &str, position: Position) -> Result<(), String> {
    processors.wait_for(name, position, PATIENCE).await.map(|_| ()).map_err(|cause| cause.to_string())
}

fn per_second(events: Position, began: Instant) -> f64 {
    events.get() as f64 / began.elapsed().as_secs_f64()
}
