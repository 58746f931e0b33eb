//! Commands through the repository.

use std::{path::Path, sync::Arc, time::Instant};

use gesta::{Command, Repository, snapshot::SnapshotPolicy};
use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent, StreamId};
use gesta_file::{FileStore, Options};
use orders::domain::{
    customer::{Customer, CustomerCommand, CustomerRegistered, PhoneChanged},
    order::{Order, OrderCommand, OrderItem},
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::tell;
use crate::load::{Latency, histogram, together};

/// Commands in flight at a time.
const WRITERS: u64 = 64;
/// How many events a long stream has.
const LONG: u64 = 10_000;

/// A new aggregate each, the next three commands of each, and a long stream with snapshots and without.
pub(super) async fn measure(folder: &Path, events: u64) -> Result<(), String> {
    let file = FileStore::open(folder, Options::default()).map_err(|cause| cause.to_string())?;
    let store: Arc<dyn EventStore> = Arc::new(file.clone());
    let each = (events / 4 / WRITERS).clamp(10, 1_000);
    let orders = Repository::<Order>::new(store.clone());
    let made = orders.clone();
    run("commands: a new order each", each, move |writer, number| {
        let orders = made.clone();
        async move { done(orders.execute(create(key(writer, number))).await) }
    })
    .await?;
    run("commands: the next step of an order (load, decide, append)", each * 3, move |writer, number| {
        let orders = orders.clone();
        async move { done(orders.execute(step(key(writer, number / 3), number % 3)).await) }
    })
    .await?;

    let long = LONG.min(events);
    grow(&store, long).await?;
    let customers = Repository::<Customer>::new(store.clone());
    let snapshots = customers.clone().with_snapshots(file.snapshots(), SnapshotPolicy::default());
    let repositories = [
        ("without snapshots", customers, 2),
        ("the first with them", snapshots.clone(), 1),
        ("then", snapshots, each),
    ];
    for (round, (how, customers, each)) in repositories.into_iter().enumerate() {
        run(&format!("commands: streams of {long} events, {how}"), each, move |writer, number| {
            let customers = customers.clone();
            async move { done(customers.execute(call(writer, round as u64, number)).await) }
        })
        .await?;
    }
    file.close().await;
    Ok(())
}

/// So many commands one after the other by each of the writers.
async fn run<F: Future<Output = Result<(), String>> + Send + 'static>(
    what: &str,
    each: u64,
    command: impl Fn(u64, u64) -> F + Clone + Send + 'static,
) -> Result<(), String> {
    let (began, mut writers) = (Instant::now(), JoinSet::new());
    for writer in 0..WRITERS {
        let command = command.clone();
        writers.spawn(async move {
            let mut mine = histogram();
            for number in 0..each {
                let began = Instant::now();
                command(writer, number).await?;
                mine.saturating_record(began.elapsed().as_micros() as u64);
            }
            Ok(mine)
        });
    }
    let all = together(writers).await?;
    tell(what, (WRITERS * each) as f64 / began.elapsed().as_secs_f64(), Latency::of(&all))
}

/// Makes a long stream for each writer.
async fn grow(store: &Arc<dyn EventStore>, long: u64) -> Result<(), String> {
    let registered = CustomerRegistered {
        email: "ada@example.org".into(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        phone: None,
    };
    let changed = |number: u64| PhoneChanged { old_phone: None, new_phone: format!("+49 30 {number}") };
    for writer in 0..WRITERS {
        let stream: StreamId =
            format!("customer-{}", customer(writer)).parse().map_err(|_| "an illegal stream")?;
        let first = NewEvent::json("CustomerRegistered", &registered);
        let more = (1..long).map(|number| NewEvent::json("CustomerPhoneChanged", &changed(number)));
        let events: Vec<_> =
            std::iter::once(first).chain(more).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        for events in events.chunks(500) {
            let batch = AppendBatch::to(stream.clone(), ExpectedVersion::Any, events.to_vec());
            store.append(batch).await.map_err(|cause| cause.to_string())?;
        }
    }
    Ok(())
}

fn done<T>(executed: Result<T, impl std::fmt::Display>) -> Result<(), String> {
    executed.map(|_| ()).map_err(|cause| cause.to_string())
}

fn key(writer: u64, number: u64) -> String {
    Uuid::from_u64_pair(writer, number).to_string()
}

fn customer(writer: u64) -> String {
    key(u64::MAX, writer)
}

fn create(key: String) -> Command<OrderCommand> {
    let items = vec![OrderItem::of(Uuid::from_u128(7), 2)];
    Command::new(key, OrderCommand::CreateOrder { customer_id: Uuid::from_u128(1), items })
}

fn step(key: String, number: u64) -> Command<OrderCommand> {
    let command = match number {
        0 => OrderCommand::ConfirmOrder,
        1 => OrderCommand::ShipOrder { tracking_number: "TRACK123".into(), carrier: "DHL".into() },
        _ => OrderCommand::DeliverOrder { signature: None },
    };
    Command::new(key, command)
}

fn call(writer: u64, round: u64, number: u64) -> Command<CustomerCommand> {
    let new_phone = format!("+49 40 {round} {number}");
    Command::new(customer(writer), CustomerCommand::ChangePhone { new_phone })
}
