//! Law 2: the same content again returns the first result, other content is refused.

use gesta_core::{AppendBatch, AppendError, ExpectedVersion, Metadata, NewEvent, Priority, Tenant};

use crate::{
    Backend,
    given::{append, event, events, events_of, exact, head, one, refused, stream},
};

/// The same batch again returns the first result, time and all, and stores nothing.
pub async fn the_same_again_returns_the_first_result(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let batch = AppendBatch::to(stream("same-1"), ExpectedVersion::Any, events(3));
    let first = append(&store, batch.clone()).await;
    append(&store, one("same-1", event(9))).await;
    let before = head(&store).await;
    let again = append(&store, batch).await;
    assert!(!first.repeated && again.repeated);
    assert_eq!(again.events, first.events);
    assert_eq!((head(&store).await, events_of(&store, "same-1").await.len()), (before, 4));
}

/// The same batch over two streams again returns the first result.
pub async fn the_same_over_two_streams_returns_the_first_result(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let batch = AppendBatch::to(stream("same-1"), ExpectedVersion::NoStream, events(2)).and(
        stream("same-2"),
        ExpectedVersion::NoStream,
        events(2),
    );
    if !store.capabilities().multi_stream {
        assert!(matches!(refused(&store, batch).await, AppendError::Unsupported { .. }));
        return;
    }
    let first = append(&store, batch.clone()).await;
    let again = append(&store, batch).await;
    assert_eq!((again.repeated, again.events), (true, first.events));
}

/// A retry of an append that succeeded is not a conflict with itself: ids are looked up before versions.
pub async fn a_retry_of_a_success_is_no_conflict(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    for (id, expected) in [("same-1", ExpectedVersion::NoStream), ("same-2", exact(0))] {
        let batch = AppendBatch::to(stream(id), expected, events(2));
        let first = append(&store, batch.clone()).await;
        append(&store, AppendBatch::to(stream(id), exact(2), events(1))).await;
        let again = append(&store, batch).await;
        assert_eq!((again.repeated, again.events), (true, first.events), "{expected}");
    }
}

/// A known id with anything changed is refused, and named.
pub async fn other_content_is_refused(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let metadata = Metadata { source: Some("law".into()), ..Metadata::default() }.with("site", "north");
    let given = event(1).with_metadata(metadata);
    append(&store, one("same-1", given.clone())).await;
    let before = head(&store).await;
    let urgent = Metadata { priority: Some(Priority::HIGHEST), ..given.metadata.clone() };
    let others = [
        NewEvent { data: "{\"n\":2}".into(), ..given.clone() },
        NewEvent { event_type: "law.other".into(), ..given.clone() },
        NewEvent { schema_version: 2, ..given.clone() },
        NewEvent { content_type: "text/plain".into(), ..given.clone() },
        NewEvent { metadata: urgent, ..given.clone() },
        NewEvent { metadata: given.metadata.clone().with("site", "south"), ..given.clone() },
        NewEvent { metadata: Metadata::default(), ..given.clone() },
    ];
    for other in others {
        let error = refused(&store, one("same-1", other.clone())).await;
        assert!(matches!(error, AppendError::IdTaken { id } if id == given.id), "{other:?}: {error}");
    }
    let error = refused(&store, one("same-2", given.clone())).await;
    assert!(matches!(error, AppendError::IdTaken { id } if id == given.id), "another stream: {error}");
    assert_eq!(head(&store).await, before);
}

/// A taken id is refused as taken even where the expected version would conflict.
pub async fn a_taken_id_is_told_before_a_conflict(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let given = event(1);
    append(&store, one("same-1", given.clone())).await;
    let other = NewEvent { data: "{\"n\":2}".into(), ..given };
    let error = refused(&store, AppendBatch::to(stream("same-1"), exact(9), [other])).await;
    assert!(matches!(error, AppendError::IdTaken { .. }), "{error}");
}

/// A batch of which some ids are known is no retry: it is refused, the known ones named, nothing stored.
pub async fn a_batch_known_in_part_is_refused(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let (known, new) = (events(2), events(2));
    append(&store, AppendBatch::to(stream("same-1"), ExpectedVersion::Any, known.clone())).await;
    let before = head(&store).await;
    let mixed = [new[0].clone(), known[1].clone(), new[1].clone(), known[0].clone()];
    let error = refused(&store, AppendBatch::to(stream("same-1"), ExpectedVersion::Any, mixed)).await;
    let AppendError::PartlyKnown { known: named, of } = &error else { panic!("{error}") };
    assert_eq!((named.as_slice(), *of), (&[known[1].id, known[0].id][..], 4));
    assert_eq!(head(&store).await, before);
    let rest = append(&store, AppendBatch::to(stream("same-1"), exact(2), new)).await;
    assert!(!rest.repeated, "the new ones are free still");
}

/// The trace context changes on a retry and is no content.
pub async fn another_trace_is_the_same_content(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let trace = |parent: &str, state: Option<&str>| Metadata {
        source: Some("law".into()),
        traceparent: Some(parent.into()),
        tracestate: state.map(Into::into),
        ..Metadata::default()
    };
    let one_trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let two_trace = "00-1bf7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01";
    let first = event(1).with_metadata(trace(one_trace, None));
    let appended = append(&store, one("same-1", first.clone())).await;
    let retry = first.with_metadata(trace(two_trace, Some("vendor=1")));
    let again = append(&store, one("same-1", retry)).await;
    assert_eq!((again.repeated, again.events), (true, appended.events));
    let stored = &events_of(&store, "same-1").await[0];
    let kept = stored.metadata().expect("parses").traceparent;
    assert_eq!(kept.as_deref(), Some(one_trace), "the first trace is what is stored");
}

/// Eight callers send one batch at once: it is stored once, and all get the same places.
pub async fn the_same_batch_sent_by_many_is_stored_once(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let batch = AppendBatch::to(stream("same-1"), ExpectedVersion::NoStream, events(5));
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (store, batch) = (store.clone(), batch.clone());
            tokio::spawn(async move { append(&store, batch).await })
        })
        .collect();
    let mut answers = Vec::new();
    for sender in senders {
        answers.push(sender.await.expect("every sender is answered"));
    }
    assert!(answers.iter().all(|answer| answer.events == answers[0].events));
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert_eq!(head(&store).await.get(), before.get() + 5);
}

/// Ids are known for as long as the log is: early ones too when a thousand events lie behind them.
pub async fn an_early_id_is_known_behind_many(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let early = AppendBatch::to(stream("same-1"), ExpectedVersion::NoStream, events(3));
    let first = append(&store, early.clone()).await;
    for _ in 0..4 {
        append(&store, AppendBatch::to(stream("same-2"), ExpectedVersion::Any, events(500))).await;
    }
    let again = append(&store, early.clone()).await;
    assert_eq!((again.repeated, &again.events), (true, &first.events));
    if backend.reopen().await {
        let store = backend.store(&Tenant::default()).await;
        let again = append(&store, early).await;
        assert_eq!((again.repeated, again.events), (true, first.events));
    }
}
