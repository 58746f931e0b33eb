//! G10: decisions about dead letters are carried out in the order in which they were recorded.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use gesta::Selection;
use gesta_core::{MemoryCheckpoints, MemoryStore, Position};

use crate::{
    dead_letter_truth::one,
    support::{Fuse, PATIENCE, Sink, append, letters, processors, settle, wait},
};

/// The letter that the checkpoint has not passed is decided about before the one that it has, and the owner that carries both
/// out dies at call number `calls`. Whether it did.
async fn dies_at(calls: usize) -> bool {
    let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
    let sink = Arc::new(Sink::default());
    append(&*store, &["bad-2"]).await;
    let first = processors(store.clone(), checkpoints.clone(), &sink).await;
    first.start_all().await.expect("starts");
    wait(&first, Position::new(1)).await;
    first.shutdown().await;

    append(&*store, &["bad-1", "bad-1"]).await;
    let one_append = Arc::new(AtomicUsize::new(1));
    let second = processors(Fuse::new(store.clone(), one_append, true), checkpoints.clone(), &sink).await;
    second.start_all().await.expect("starts");
    let operator = processors(store.clone(), checkpoints.clone(), &sink).await;
    let both = async {
        while letters(&operator).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("is recorded");
    drop(second);
    for stream in ["bad-1", "bad-2"] {
        let found = operator.dead_letters("sink").await.expect("lists");
        let letter = found.iter().find(|letter| letter.stream.as_str() == stream).expect("is open");
        let only = Selection::Events(vec![letter.event_id]);
        assert_eq!(operator.replay_dead_letters("sink", only).await, Ok(1));
    }

    sink.mend();
    let left = Arc::new(AtomicUsize::new(calls));
    let dying = processors(store.clone(), Fuse::new(checkpoints.clone(), left, true), &sink).await;
    let life = async {
        dying.start_all().await.ok()?;
        settle(&dying).await?;
        while sink.handled().len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(())
    };
    let survived = tokio::time::timeout(2 * PATIENCE, life).await.ok().flatten().is_some();
    drop(dying);

    let heir = processors(store.clone(), checkpoints, &sink).await;
    heir.start_all().await.expect("starts");
    settle(&heir).await.expect("nothing is in its way");
    wait(&heir, one(&store, "a-1").await).await;
    for (stream, last) in [("bad-1", "bad-1@2"), ("bad-2", "bad-2@1")] {
        let handled = sink.handled().into_iter().rfind(|place| place.starts_with(stream));
        assert_eq!(handled.as_deref(), Some(last), "call {calls}: {:?}", sink.handled());
    }
    !survived
}

#[tokio::test(start_paused = true)]
async fn a_later_decision_that_could_be_carried_out_sooner_waits_for_those_before_it() {
    let mut calls = 1;
    while dies_at(calls).await {
        calls += 1;
        assert!(calls < 100, "nothing survives");
    }
    assert!(calls > 6, "{calls} calls were covered");
}
