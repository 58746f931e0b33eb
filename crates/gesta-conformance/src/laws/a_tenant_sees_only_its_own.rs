//! Law 10: a tenant sees only its own.

use gesta_core::{AppendBatch, AppendError, ExpectedVersion, Filter, NewEvent, ReadAll, ReadStream};

use crate::{
    Backend,
    given::{append, event, exact, one, read_all, read_stream, refused, stream, tenant},
};

/// Two tenants append to streams of one name: each has its own versions and reads its own events.
pub async fn streams_of_one_name_are_apart(backend: &dyn Backend) {
    let (a, b) = (tenant("ward-a"), tenant("ward-b"));
    let (of_a, of_b) = (backend.store(&a).await, backend.store(&b).await);
    for n in 0..3 {
        append(&of_a, AppendBatch::to(stream("bed-1"), exact(n), [event(n)]).of(a.clone())).await;
    }
    let first = AppendBatch::to(stream("bed-1"), ExpectedVersion::NoStream, [event(7)]).of(b.clone());
    assert_eq!(append(&of_b, first).await.last().version.get(), 1);
    let read_a = read_stream(&of_a, ReadStream::of(a.clone(), stream("bed-1"))).await;
    let read_b = read_stream(&of_b, ReadStream::of(b.clone(), stream("bed-1"))).await;
    assert_eq!((read_a.len(), read_b.len()), (3, 1));
    assert!(read_a.iter().all(|event| event.tenant == a) && read_b[0].tenant == b);
}

/// A filter of one tenant passes nothing of another, however it is narrowed.
pub async fn filters_are_apart(backend: &dyn Backend) {
    let (a, b) = (tenant("ward-a"), tenant("ward-b"));
    let (of_a, of_b) = (backend.store(&a).await, backend.store(&b).await);
    let secret = event(1);
    append(&of_a, one("bed-1", secret.clone()).of(a.clone())).await;
    append(&of_b, one("bed-2", event(2)).of(b.clone())).await;
    let own = Filter::of(b.clone());
    let narrowed = [
        own.clone().types(["*"]).streams(["*"]),
        own.clone().streams(["bed-1"]),
        own.clone().ids([secret.id]),
        own.clone().correlation(secret.id.to_string()),
        own.clone().categories(["bed"]),
        own.with_system(),
    ];
    for filter in narrowed {
        let read = read_all(&of_b, ReadAll::of(filter.clone())).await;
        assert!(read.iter().all(|event| event.tenant == b), "{filter:?}");
    }
}

/// One id in two tenants is two events: neither a repeat nor taken.
pub async fn ids_are_apart(backend: &dyn Backend) {
    let (a, b) = (tenant("ward-a"), tenant("ward-b"));
    let (of_a, of_b) = (backend.store(&a).await, backend.store(&b).await);
    let given = event(1);
    append(&of_a, one("bed-1", given.clone()).of(a.clone())).await;
    let other = NewEvent { data: "{\"n\":2}".into(), ..given.clone() };
    let appended = append(&of_b, one("bed-1", other).of(b.clone())).await;
    assert!(!appended.repeated);
    assert!(append(&of_a, one("bed-1", given.clone()).of(a)).await.repeated);
    let read = read_all(&of_b, ReadAll::of(Filter::of(b))).await;
    assert_eq!((read.len(), read[0].id), (1, given.id));
}

/// An expected version is compared with the tenant's own stream.
pub async fn versions_are_apart(backend: &dyn Backend) {
    let (a, b) = (tenant("ward-a"), tenant("ward-b"));
    let (of_a, of_b) = (backend.store(&a).await, backend.store(&b).await);
    append(&of_a, one("bed-1", event(1)).of(a.clone())).await;
    let expects = |expected| AppendBatch::to(stream("bed-1"), expected, [event(2)]).of(b.clone());
    for wrong in [ExpectedVersion::Exists, exact(1)] {
        let AppendError::Conflict(conflict) = refused(&of_b, expects(wrong)).await else { panic!("{wrong}") };
        assert_eq!(conflict.actual.get(), 0, "the conflict tells another tenant's version");
    }
}

/// The list of streams holds the tenant's own alone.
pub async fn catalogues_are_apart(backend: &dyn Backend) {
    let (a, b) = (tenant("ward-a"), tenant("ward-b"));
    append(&backend.store(&a).await, one("bed-1", event(1)).of(a.clone())).await;
    append(&backend.store(&b).await, one("bed-2", event(2)).of(b.clone())).await;
    for (whose, wanted) in [(a, "bed-1"), (b, "bed-2")] {
        let listed = backend.catalog(&whose).await.list_streams(gesta_core::ListStreams::of(whose)).await;
        let names: Vec<_> = listed.expect("listed").into_iter().map(|info| info.stream).collect();
        assert_eq!(names, [stream(wanted)]);
    }
}

/// An edge's handle serves its own tenant: it neither appends nor reads for another.
pub async fn a_handle_of_an_edge_serves_one_tenant(backend: &dyn Backend) {
    let (a, b) = (tenant("ward-a"), tenant("ward-b"));
    let of_a = backend.store(&a).await;
    append(&of_a, one("bed-1", event(1)).of(a.clone())).await;
    let of_b = backend.store(&b).await;
    let foreign = of_b.append(one("bed-1", event(2)).of(a.clone())).await;
    assert_eq!(foreign.is_err(), backend.is_edge());
    if backend.is_edge() {
        use futures_util::TryStreamExt;
        let reads = [
            of_b.read_stream(ReadStream::of(a.clone(), stream("bed-1"))).try_collect::<Vec<_>>().await,
            of_b.read_all(ReadAll::of(Filter::of(a.clone()))).try_collect::<Vec<_>>().await,
        ];
        for read in reads {
            assert!(read.is_err() || read.is_ok_and(|events| events.is_empty()), "read across tenants");
        }
        assert_eq!(read_stream(&of_a, ReadStream::of(a, stream("bed-1"))).await.len(), 1);
    }
}
