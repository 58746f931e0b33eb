//! What a writer may expect of a stream, and what a conflict tells.

use gesta_core::{AppendBatch, AppendError, ExpectedVersion, Tenant};

use crate::{
    Backend,
    given::{append, event, events, events_of, exact, refused, stream},
};

/// All four expectations against an empty stream and one of three events: accepted exactly when they hold.
pub async fn each_is_accepted_exactly_when_it_holds(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let all = [
        ExpectedVersion::Any,
        ExpectedVersion::NoStream,
        ExpectedVersion::Exists,
        exact(0),
        exact(2),
        exact(3),
        exact(4),
    ];
    for length in [0u64, 3] {
        for (at, expected) in all.into_iter().enumerate() {
            let to = stream(&format!("expect-{length}.{at}"));
            if length > 0 {
                append(&store, AppendBatch::to(to.clone(), ExpectedVersion::NoStream, events(length))).await;
            }
            let result = store.append(AppendBatch::to(to.clone(), expected, [event(9)])).await;
            if expected.accepts(gesta_core::Version::new(length)) {
                assert_eq!(result.expect("as expected").last().version.get(), length + 1);
                continue;
            }
            let Err(AppendError::Conflict(conflict)) = result else { panic!("{expected} at {length}") };
            assert_eq!((conflict.stream, conflict.expected, conflict.actual.get()), (to, expected, length));
            assert_eq!(events_of(&store, &format!("expect-{length}.{at}")).await.len() as u64, length);
        }
    }
}

/// A conflict can be mended: read, expect what it told, append.
pub async fn a_conflict_tells_what_to_expect(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    append(&store, AppendBatch::to(stream("mend-1"), ExpectedVersion::Any, events(5))).await;
    let stale = AppendBatch::to(stream("mend-1"), exact(2), [event(6)]);
    let AppendError::Conflict(conflict) = refused(&store, stale.clone()).await else { panic!("no conflict") };
    let mut mended = stale;
    mended.appends[0].expected = ExpectedVersion::Exact(conflict.actual);
    assert_eq!(append(&store, mended).await.last().version.get(), 6);
}

/// Expectations of streams that differ in their last letter alone are apart.
pub async fn streams_of_like_names_are_apart(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    for id in ["like-1", "like-11", "like-1.", "like-1-1", "lik-e1", "LIKE-1"] {
        let new = AppendBatch::to(stream(id), ExpectedVersion::NoStream, [event(1)]);
        assert_eq!(append(&store, new).await.last().version.get(), 1, "{id}");
    }
    assert_eq!(events_of(&store, "like-1").await.len(), 1);
}
