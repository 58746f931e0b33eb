//! Which streams there are.

use gesta_core::{ListStreams, StreamInfo, Tenant};

use crate::{
    Backend,
    given::{append, event, events_of, one, stream},
};

async fn given(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    for n in 0..3 {
        for id in ["b-2", "a-1", "b-1", "a-10", "c-x.1", "B-1"] {
            append(&store, one(id, event(n))).await;
        }
    }
}

async fn names(backend: &dyn Backend, list: ListStreams) -> Vec<String> {
    let catalog = backend.catalog(&Tenant::default()).await;
    let listed = catalog.list_streams(list).await.expect("the streams can be listed");
    listed.into_iter().map(|info| info.stream.to_string()).collect()
}

/// All streams, by name in byte order, with their version and last position.
pub async fn lists_streams_by_name_with_their_heads(backend: &dyn Backend) {
    given(backend).await;
    let list = ListStreams::of(Tenant::default());
    assert_eq!(names(backend, list.clone()).await, ["B-1", "a-1", "a-10", "b-1", "b-2", "c-x.1"]);
    let store = backend.store(&Tenant::default()).await;
    for info in backend.catalog(&Tenant::default()).await.list_streams(list).await.expect("listed") {
        let last = events_of(&store, info.stream.as_str()).await.pop().expect("a listed stream has events");
        let wanted = StreamInfo { stream: last.stream, version: last.version, last_position: last.position };
        assert_eq!(info, wanted);
        assert_eq!(info.version.get(), 3);
    }
}

/// Pages of two, each behind the last name of the one before, make the whole list.
pub async fn pages_make_the_whole_list(backend: &dyn Backend) {
    given(backend).await;
    let (mut all, mut after) = (Vec::new(), None);
    // Six streams are four pages, the empty one counted: more is a list that goes round in circles.
    for _ in 0..4 {
        let list = ListStreams { after: after.clone(), limit: 2, ..ListStreams::of(Tenant::default()) };
        let page = names(backend, list).await;
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(stream(last));
        all.extend(page);
    }
    assert_eq!(all, ["B-1", "a-1", "a-10", "b-1", "b-2", "c-x.1"]);
}

/// A pattern lists what it matches and nothing else.
pub async fn a_pattern_lists_what_it_matches(backend: &dyn Backend) {
    given(backend).await;
    let cases: [(&str, &[&str]); 6] = [
        ("a-*", &["a-1", "a-10"]),
        ("*-1", &["B-1", "a-1", "b-1"]),
        ("a-1", &["a-1"]),
        ("*1*", &["B-1", "a-1", "a-10", "b-1", "c-x.1"]),
        ("z-*", &[]),
        ("*", &["B-1", "a-1", "a-10", "b-1", "b-2", "c-x.1"]),
    ];
    for (pattern, wanted) in cases {
        let list = ListStreams { pattern: pattern.into(), ..ListStreams::of(Tenant::default()) };
        assert_eq!(names(backend, list).await, wanted, "{pattern}");
    }
}

/// The list is the same after the store was closed and opened.
pub async fn the_list_survives_a_reopening(backend: &dyn Backend) {
    given(backend).await;
    let before = names(backend, ListStreams::of(Tenant::default())).await;
    backend.reopen().await;
    assert_eq!(names(backend, ListStreams::of(Tenant::default())).await, before);
    assert_eq!(before.len(), 6);
}
