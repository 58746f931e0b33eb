//! Whatever goes wrong between a repository and its store, what it answers is true.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::TryStreamExt;
use gesta::{Command, Repository, repository::ExecuteError, snapshot::SnapshotPolicy};
use gesta_core::{EventStore, MemorySnapshots, MemoryStore, ReadStream, Version};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    concert::{Concert, ConcertCommand, open, tenant},
    faulty::{Fault, Faulty},
};

#[derive(Debug, Clone)]
struct Asked {
    payload: ConcertCommand,
    faults: Vec<Fault>,
    expected: Option<u64>,
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::LostReply), Just(Fault::LostRequest), Just(Fault::Busy), Just(Fault::Overtaken)]
}

fn asked() -> impl Strategy<Value = Asked> {
    let payload = prop_oneof![
        8 => prop::collection::vec(0..40u32, 1..4).prop_map(|mut seats| {
            seats.sort_unstable();
            seats.dedup();
            ConcertCommand::Sell { seats, to: "ada".into() }
        }),
        1 => Just(ConcertCommand::Close),
        1 => Just(open(9)),
    ];
    let expected = prop_oneof![4 => Just(None), 1 => (0..20u64).prop_map(Some)];
    (payload, prop::collection::vec(any_fault(), 0..6), expected)
        .prop_map(|(payload, faults, expected)| Asked { payload, faults, expected })
}

/// Where the events of a command are, by its id.
async fn found(store: &MemoryStore, command: &Command<ConcertCommand>) -> Vec<Version> {
    let read = ReadStream::of(tenant(), "concert-1".parse().expect("legal"));
    let events: Vec<_> = store.read_stream(read).try_collect().await.expect("reads");
    let places: BTreeMap<Uuid, Version> = events.iter().map(|event| (event.id, event.version)).collect();
    (0..).map_while(|place| places.get(&command.event_id(place)).copied()).collect()
}

async fn every_answer_is_true(all: Vec<Asked>) {
    let log = Arc::new(MemoryStore::new());
    let snapshots = Arc::new(MemorySnapshots::default());
    let policy = SnapshotPolicy { every: 3, ..SnapshotPolicy::default() };
    let repository = |store: Arc<dyn EventStore>| {
        Repository::<Concert>::new(store).with_snapshots(snapshots.clone(), policy)
    };
    let healthy = repository(log.clone());
    healthy.execute(Command::new("1", open(1000))).await.expect("opens");
    for Asked { payload, faults, expected } in all {
        let mut command = Command::new("1", payload);
        command.expected = expected.map(Version::new);
        let answer = repository(Faulty::over(log.clone(), faults)).execute(command.clone()).await;
        let stored = found(&log, &command).await;
        match &answer {
            Ok(executed) => {
                let told: Vec<_> = executed.appended.iter().map(|event| event.version).collect();
                assert_eq!(told, stored, "a success is there, where it says");
                assert!(!executed.repeated, "nobody else executes this command");
            }
            Err(ExecuteError::Unknown { .. }) => {}
            Err(sure) => assert!(stored.is_empty(), "{sure}: yet something is stored"),
        }
        // Asked again, in good health, an effect is told as it was; nothing of it comes twice.
        let again = healthy.execute(command.clone()).await;
        if stored.is_empty() {
            continue;
        }
        let again = again.expect("is known");
        assert!(again.repeated && found(&log, &command).await == stored);
        if let Ok(first) = answer {
            assert_eq!(
                (again.version, again.state, again.events),
                (first.version, first.state, first.events)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_answer_is_true_whatever_goes_wrong(all in prop::collection::vec(asked(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("starts").block_on(every_answer_is_true(all));
    }
}
