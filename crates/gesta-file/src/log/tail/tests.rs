use super::*;

fn entry(position: u64, stream: &str, version: u64) -> Entry {
    Entry {
        position: Position::new(position),
        tenant: Tenant::default(),
        stream: stream.parse().expect("legal"),
        version: Version::new(version),
        id: Uuid::from_u128(u128::from(position)),
        correlation: None,
    }
}

fn tail() -> Tail {
    let tail = Tail::new(Position::START, 10, None);
    for (position, stream, version) in [(1, "a-1", 1), (2, "b-1", 1), (3, "a-1", 2), (4, "a-1", 3)] {
        tail.push(entry(position, stream, version));
    }
    tail
}

fn versions(tail: &Tail, head: u64) -> Vec<u64> {
    let (tenant, stream) = (Tenant::default(), "a-1".parse().expect("legal"));
    let bounds = (Version::EMPTY, Version::new(u64::MAX));
    let found = tail.stream_positions((&tenant, &stream), bounds, Position::new(head));
    found.into_iter().map(|(version, _)| version.get()).collect()
}

#[test]
fn only_what_is_durable_is_taken_and_it_stays_visible_until_let_go() {
    let tail = tail();
    tail.settle(Position::new(3));
    let taken = tail.take().expect("something is durable");
    assert_eq!(taken.entries().len(), 3);
    assert_eq!(versions(&tail, 4), [1, 2, 3]);
    tail.let_go(taken);
    assert_eq!(versions(&tail, 4), [3]);
    assert_eq!(tail.find_id(&Tenant::default(), Uuid::from_u128(1)), Sought::NotHere);
    assert_eq!(tail.find_id(&Tenant::default(), Uuid::from_u128(4)), Sought::At(Position::new(4)));
}

#[test]
fn only_an_id_younger_than_all_that_moved_on_is_nowhere() {
    let ids: Vec<_> = (0..3).map(|_| Uuid::now_v7()).collect();
    let tenant = Tenant::default();
    for (known, third) in [(Some(Uuid::nil()), Sought::Nowhere), (None, Sought::NotHere)] {
        let tail = Tail::new(Position::START, 10, known);
        tail.push(Entry { id: ids[1], ..entry(1, "a-1", 1) });
        tail.settle(Position::new(1));
        assert_eq!(tail.find_id(&tenant, ids[1]), Sought::At(Position::new(1)));
        let taken = tail.take().expect("durable");
        tail.let_go(taken);
        assert_eq!(tail.find_id(&tenant, ids[0]), Sought::NotHere);
        assert_eq!(tail.find_id(&tenant, ids[1]), Sought::NotHere);
        assert_eq!(tail.find_id(&tenant, ids[2]), third);
        assert_eq!(tail.find_id(&tenant, Uuid::max()), Sought::NotHere);
    }
}

#[test]
fn a_stream_is_remembered_for_some_runs_after_its_events_have_moved_on() {
    let tail = Tail::new(Position::START, 10, None);
    let (tenant, first) = (Tenant::default(), "s-1".parse().expect("legal"));
    for run in 1..=REMEMBERED_RUNS as u64 + 1 {
        tail.push(entry(run, &format!("s-{run}"), 1));
        tail.settle(Position::new(run));
        let taken = tail.take().expect("durable");
        tail.let_go(taken);
        let known = tail.stream_version(&tenant, &first);
        assert_eq!(known.is_some(), run <= REMEMBERED_RUNS as u64, "after {run} runs");
    }
}

#[test]
fn a_version_never_falls_while_runs_move_on() {
    let tail = Tail::new(Position::START, 10, None);
    let (tenant, stream) = (Tenant::default(), "a-1".parse().expect("legal"));
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut seen = Version::EMPTY;
            while seen < Version::new(20_000) {
                let version = tail.stream_version(&tenant, &stream).unwrap_or(seen);
                assert!(seen <= version, "version {version} after {seen}");
                seen = version;
            }
        });
        for position in 1..=20_000 {
            tail.push(entry(position, "a-1", position));
            tail.settle(Position::new(position));
            // The first of a run waits for company unless the end was asked for.
            tail.stop();
            let taken = tail.take().expect("durable");
            tail.let_go(taken);
        }
        watching.join().expect("no version fell");
    });
}

#[test]
fn what_was_not_durable_stays_behind_with_its_place_in_its_stream() {
    let tail = tail();
    tail.settle(Position::new(2));
    let taken = tail.take().expect("durable");
    tail.push(entry(5, "a-1", 4));
    assert_eq!(versions(&tail, 5), [1, 2, 3, 4]);
    tail.let_go(taken);
    assert_eq!(versions(&tail, 5), [2, 3, 4]);
    tail.settle(Position::new(5));
    assert_eq!(tail.take().expect("durable").entries().len(), 3);
}

#[test]
fn nothing_behind_the_head_is_listed() {
    assert_eq!(versions(&tail(), 3), [1, 2]);
    let listed = tail().list_streams(&ListStreams::of(Tenant::default()), Position::new(1));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].version, Version::new(1));
}

#[test]
fn a_full_tail_makes_the_writer_wait_and_then_refuse() {
    let tail = Tail::new(Position::START, 1, None);
    assert!(tail.wait_for_room(Duration::ZERO));
    tail.push(entry(1, "a-1", 1));
    assert!(!tail.wait_for_room(Duration::ZERO));
    tail.settle(Position::new(1));
    let taken = tail.take().expect("durable");
    tail.let_go(taken);
    assert!(tail.wait_for_room(Duration::ZERO));
}

#[test]
fn a_stopped_tail_gives_what_is_left_and_then_ends() {
    let tail = tail();
    tail.settle(Position::new(4));
    tail.stop();
    let taken = tail.take().expect("left");
    tail.let_go(taken);
    assert!(tail.take().is_none());
}

/// A walk over a long tail lets the writer in between, and misses nothing that does not move on meanwhile.
#[test]
fn a_walk_goes_by_small_steps_and_sees_everything() {
    let count = 3 * STEP + 7;
    let tail = Tail::new(Position::START, 10_000, None);
    (1..=count).for_each(|position| tail.push(entry(position, &format!("a-{}", position % 100), position)));
    tail.settle(Position::new(2 * STEP));
    let taken = tail.take().expect("durable");
    let mut seen = Vec::new();
    let mut look = |entry: &Entry| seen.push(entry.position.get());
    let next = tail.step(Position::new(1), Position::new(count), &mut look);
    assert_eq!(next, Some(Position::new(STEP + 1)), "under one lock");
    tail.walk(Position::new(STEP), Position::new(count - 1), look);
    assert_eq!(seen, (1..count).collect::<Vec<_>>());
    assert_eq!(tail.list_streams(&ListStreams::of(Tenant::default()), Position::new(count)).len(), 100);
    let own = Uuid::from_u128(9).to_string();
    let all = (Position::START, Position::new(count));
    assert_eq!(tail.correlated(&Tenant::default(), &own, all), [Position::new(9)]);
    assert_eq!(tail.correlated(&Tenant::default(), &own, (Position::new(9), all.1)), []);
    tail.let_go(taken);
    assert_eq!(tail.correlated(&Tenant::default(), &own, all), [], "it has moved on");
    assert_eq!(tail.list_streams(&ListStreams::of(Tenant::default()), Position::new(count)).len(), 100);
}
