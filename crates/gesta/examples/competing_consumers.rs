//! Consumers share the events of a group: `cargo run --release -p gesta --example competing_consumers -- 100000 2 50`
//! appends so many events, runs so many consumers that take so many at a time, and says how fast they were.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gesta::{DeliveryId, GroupDefinition, GroupError, Groups, Pull, Start};
use gesta_core::{
    AppendBatch, AppendError, EventStore, ExpectedVersion, Filter, MemoryCheckpoints, MemoryStore, NewEvent,
    SystemClock, Tenant,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let events = given.next().transpose()?.unwrap_or(20_000);
    let consumers = given.next().transpose()?.unwrap_or(1);
    let max = given.next().transpose()?.unwrap_or(50);

    let store = Arc::new(MemoryStore::new());
    fill(&store, events).await?;
    let checkpoints = Arc::new(MemoryCheckpoints::default());
    let groups = Groups::open(store, checkpoints, Arc::new(SystemClock), "example".into()).await?;
    let definition = GroupDefinition { start: Start::Beginning, ..GroupDefinition::of(Filter::default()) };
    groups.create(&Tenant::default(), "example", definition).await?;

    let began = Instant::now();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let consumers: Vec<_> = (0..consumers)
        .map(|number| {
            tokio::spawn(consume(groups.clone(), format!("c{number}"), max, events, acknowledged.clone()))
        })
        .collect();
    for consumer in consumers {
        consumer.await??;
    }
    let took = began.elapsed();
    println!("{events} events acknowledged in {took:?}: {:.0} a second", events as f64 / took.as_secs_f64());
    groups.shutdown().await;
    Ok(())
}

/// Events of 1,000 streams, in turn.
async fn fill(store: &MemoryStore, events: usize) -> Result<(), AppendError> {
    for number in 0..events {
        let stream = format!("sample-{}", number % 1_000).parse().expect("a legal id");
        let event = NewEvent::new("sample.moved", r#"{"shelf":7}"#);
        store.append(AppendBatch::to(stream, ExpectedVersion::Any, [event])).await?;
    }
    Ok(())
}

async fn consume(
    groups: Arc<Groups>,
    consumer: String,
    max: usize,
    all: usize,
    acknowledged: Arc<AtomicUsize>,
) -> Result<(), GroupError> {
    let tenant = Tenant::default();
    while acknowledged.load(Ordering::Relaxed) < all {
        let pull = Pull { consumer: consumer.clone(), max, wait: Duration::from_millis(100) };
        let deliveries = groups.pull(&tenant, "example", pull).await?;
        let ids: Vec<DeliveryId> = deliveries.into_iter().map(|delivery| delivery.id).collect();
        if !ids.is_empty() {
            acknowledged.fetch_add(groups.ack(&tenant, "example", &ids).await?, Ordering::Relaxed);
        }
    }
    Ok(())
}
