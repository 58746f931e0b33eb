//! DEC-12: whoever names one spelling of a type gets all of them, and stored text stays.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gesta::{GroupDefinition, Nack, Processor, ProcessorOptions, Start, Subscription};
use gesta_core::{
    AliasedStore, Aliases, AppendBatch, EventHandler, EventStore, ExpectedVersion, Filter, HandlerError,
    MemoryCheckpoints, MemoryStore, NewEvent, Position, RecordedEvent, SystemClock,
};

use crate::support::{ids, open, pull, tenant};

/// A log where `order.placed` is another spelling of `OrderPlaced`.
fn aliased(store: &Arc<MemoryStore>) -> Arc<dyn EventStore> {
    let aliases = Aliases::of([("OrderPlaced", ["order.placed"])]).expect("told apart");
    Arc::new(AliasedStore::new(store.clone(), aliases))
}

async fn append(store: &MemoryStore, types: &[&str]) {
    for event_type in types {
        let stream = "order-1".parse().expect("legal");
        let batch = AppendBatch::to(stream, ExpectedVersion::Any, [NewEvent::new(*event_type, "1")]);
        store.append(batch).await.expect("appends");
    }
}

fn types(events: &[RecordedEvent]) -> Vec<&str> {
    events.iter().map(|event| &*event.event_type).collect()
}

fn of(event_type: &str) -> GroupDefinition {
    let filter = Filter::default().types([event_type]);
    GroupDefinition { start: Start::Beginning, ..GroupDefinition::of(filter) }
}

#[tokio::test]
async fn a_subscription_to_one_spelling_gets_all() {
    let store = Arc::new(MemoryStore::new());
    append(&store, &["OrderPlaced", "OrderPaid", "order.placed"]).await;
    for asked in ["OrderPlaced", "order.placed", "order.*"] {
        let filter = Filter::of(tenant()).types([asked]);
        let batch = Subscription::new(aliased(&store), filter).next_batch(10).await.expect("reads");
        assert_eq!(types(&batch.events), ["OrderPlaced", "order.placed"], "{asked}");
    }
}

#[tokio::test]
async fn a_handler_of_one_spelling_gets_all() {
    struct Seen(Mutex<Vec<String>>);

    #[async_trait]
    impl EventHandler for Seen {
        fn name(&self) -> &str {
            "seen"
        }

        fn filter(&self) -> Filter {
            Filter::of(tenant()).types(["OrderPlaced"])
        }

        async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
            self.0.lock().expect("no holder panics").extend(types(events).into_iter().map(str::to_owned));
            Ok(())
        }
    }

    let store = Arc::new(MemoryStore::new());
    append(&store, &["order.placed", "OrderPaid", "OrderPlaced"]).await;
    let seen = Arc::new(Seen(Mutex::default()));
    let checkpoints = Arc::new(MemoryCheckpoints::default());
    let running = Processor::new(aliased(&store), checkpoints, Arc::new(SystemClock), "one", seen.clone())
        .with(ProcessorOptions::default())
        .start();
    running.wait_for(|status| status.position == Position::new(3)).await;
    assert_eq!(*seen.0.lock().expect("no holder panics"), ["order.placed", "OrderPlaced"]);
    running.stop().await;
}

#[tokio::test]
async fn a_group_of_one_spelling_delivers_all_and_holds_all() {
    let store = Arc::new(MemoryStore::new());
    let checkpoints = Arc::new(MemoryCheckpoints::default());
    append(&store, &["OrderPlaced", "OrderPaid", "order.placed"]).await;
    let groups = open(aliased(&store), checkpoints, Arc::new(SystemClock), "one").await;
    // With room for one event the next is read by its stream, which takes another way through the filter.
    let definition = GroupDefinition { max_in_flight: 1, ..of("OrderPlaced") };
    groups.create(&tenant(), "g", definition).await.expect("creates");

    let first = pull(&groups, "c", 1, std::time::Duration::ZERO).await;
    assert_eq!(&*first[0].event.event_type, "OrderPlaced");
    let nack = Nack { deliveries: ids(&first), reason: None, park: true };
    groups.nack(&tenant(), "g", nack).await.expect("parks");
    assert!(pull(&groups, "c", 1, std::time::Duration::ZERO).await.is_empty());
    let parked = groups.parked(&tenant(), "g").await.expect("lists");
    assert_eq!(parked[0].held, 1, "the other spelling waits behind it");

    groups.discard(&tenant(), "g", gesta::Selection::All, None).await.expect("discards");
    let second = pull(&groups, "c", 1, std::time::Duration::ZERO).await;
    assert_eq!(&*second[0].event.event_type, "order.placed", "stored text is delivered as it is");
    assert_eq!(groups.ack(&tenant(), "g", &ids(&second)).await.expect("acknowledges"), 1);
}

#[tokio::test]
async fn a_group_is_the_same_under_any_spelling_and_keeps_the_one_it_was_made_with() {
    let store = Arc::new(MemoryStore::new());
    let checkpoints = Arc::new(MemoryCheckpoints::default());
    let groups = open(aliased(&store), checkpoints, Arc::new(SystemClock), "one").await;
    groups.create(&tenant(), "g", of("order.placed")).await.expect("creates");
    let joined = groups.create(&tenant(), "g", of("OrderPlaced")).await.expect("the same group");
    assert_eq!(joined.definition.filter.types, ["order.placed".into()]);
    assert!(groups.create(&tenant(), "g", of("OrderPaid")).await.is_err());
}

#[tokio::test]
async fn an_alias_counts_for_a_group_from_the_next_start() {
    let store = Arc::new(MemoryStore::new());
    let checkpoints = Arc::new(MemoryCheckpoints::default());
    let groups = open(store.clone(), checkpoints.clone(), Arc::new(SystemClock), "one").await;
    groups.create(&tenant(), "g", of("OrderPlaced")).await.expect("creates");
    append(&store, &["OrderPlaced"]).await;
    let first = pull(&groups, "c", 10, std::time::Duration::ZERO).await;
    groups.ack(&tenant(), "g", &ids(&first)).await.expect("acknowledges");
    groups.shutdown().await;

    let groups = open(aliased(&store), checkpoints, Arc::new(SystemClock), "one").await;
    append(&store, &["order.placed"]).await;
    let second = pull(&groups, "c", 10, std::time::Duration::ZERO).await;
    assert_eq!(second.len(), 1);
    assert_eq!(&*second[0].event.event_type, "order.placed");
}
