use super::*;

fn entry(position: u64, stream: &str, version: u64) -> Entry {
    Entry {
        position: Position::new(position),
        tenant: Tenant::default(),
        stream: stream.parse().expect("legal"),
        version: Version::new(version),
        id: Uuid::from_u128(u128::from(position) << 64),
        correlation: position.is_multiple_of(3).then(|| "case 7".to_owned()),
    }
}

/// `count` events, every tenth of stream `a-1`, the others of 7 streams `b-N`.
fn entries(count: u64) -> Vec<Entry> {
    let mut versions = std::collections::HashMap::<String, u64>::new();
    let name = |n: u64| if n.is_multiple_of(10) { "a-1".to_owned() } else { format!("b-{}", n % 7) };
    (1..=count)
        .map(|n| {
            let version = versions.entry(name(n)).and_modify(|v| *v += 1).or_insert(1);
            entry(n, &name(n), *version)
        })
        .collect()
}

fn filled(dir: &Path, incarnation: Incarnation, batch: usize) -> Index {
    let index = Index::open(dir, incarnation, Position::START).expect("opens");
    for batch in entries(2_000).chunks(batch) {
        index.apply(batch).expect("applies");
    }
    index
}

fn stream(name: &str) -> StreamId {
    name.parse().expect("legal")
}

/// Everything that can be asked, so that two indexes can be compared.
fn answers(index: &Index) -> impl PartialEq + std::fmt::Debug + use<> {
    let tenant = Tenant::default();
    let spans = [(0, u64::MAX), (0, 5), (7, 8), (3, 150), (150, 160), (199, 200), (200, 300)];
    let mut positions = Vec::new();
    for (after, up_to) in spans {
        for direction in [Direction::Forwards, Direction::Backwards] {
            for limit in [1, 3, 1000] {
                let (a, b) = (Version::new(after), Version::new(up_to));
                positions.push(
                    index.stream_positions(&tenant, &stream("a-1"), a, b, direction, limit).expect("asks"),
                );
                let (a, b) = (Position::new(after), Position::new(up_to));
                let found = index.correlated(&tenant, "case 7", a, b, direction, limit).expect("asks");
                positions.push(found.into_iter().map(|at| (Version::EMPTY, at)).collect());
            }
        }
    }
    let ids: Vec<_> =
        entries(2_100).iter().map(|entry| index.find_id(&tenant, entry.id).expect("asks")).collect();
    let list = ListStreams { limit: 1000, ..ListStreams::of(tenant) };
    (positions, ids, index.list_streams(&list).expect("asks"), index.watermark())
}

/// The same answers, computed from the entries as plainly as possible.
#[test]
fn an_index_answers_as_a_scan_of_the_log_would() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = filled(&dir.path().join("index"), Incarnation::random(), 64);
    let tenant = Tenant::default();
    let all = entries(2_000);
    let of_stream: Vec<_> =
        all.iter().filter(|e| e.stream.as_str() == "a-1").map(|e| (e.version, e.position)).collect();
    for (after, up_to, limit) in
        [(0, u64::MAX, 5000), (0, 1, 5), (6, 90, 1000), (6, 90, 7), (199, 200, 9), (200, 9999, 9)]
    {
        let (after, up_to) = (Version::new(after), Version::new(up_to));
        let wanted = of_stream.iter().copied().filter(|(v, _)| after < *v && *v <= up_to);
        let forwards: Vec<_> = wanted.clone().take(limit).collect();
        let backwards: Vec<_> = wanted.rev().take(limit).collect();
        let ask = |direction| {
            index.stream_positions(&tenant, &stream("a-1"), after, up_to, direction, limit).expect("asks")
        };
        assert_eq!(ask(Direction::Forwards), forwards);
        assert_eq!(ask(Direction::Backwards), backwards);
    }
    for entry in &all {
        assert_eq!(index.find_id(&tenant, entry.id).expect("asks"), Some(entry.position));
    }
    assert_eq!(index.find_id(&tenant, Uuid::from_u128(5)).expect("asks"), None);
    assert_eq!(index.stream_version(&tenant, &stream("a-1")).expect("asks"), Version::new(200));
    assert_eq!(index.stream_version(&tenant, &stream("a-2")).expect("asks"), Version::EMPTY);
    let case: Vec<_> = all.iter().filter(|e| e.correlation.is_some()).map(|e| e.position).collect();
    let ask = |direction| {
        let up_to = Position::new(u64::MAX);
        index.correlated(&tenant, "case 7", Position::new(30), up_to, direction, 10).expect("asks")
    };
    assert_eq!(ask(Direction::Forwards), case[10..20]);
    assert!(ask(Direction::Backwards).into_iter().eq(case.iter().rev().take(10).copied()));
}

#[test]
fn batches_of_any_size_and_a_reopening_give_the_same_answers() {
    let dir = tempfile::tempdir().expect("a folder");
    let incarnation = Incarnation::random();
    let expected = answers(&filled(&dir.path().join("one"), incarnation, 1));
    for batch in [2, 63, 700, 2_000] {
        let folder = dir.path().join(batch.to_string());
        drop(filled(&folder, incarnation, batch));
        let again = Index::open(&folder, incarnation, Position::new(2_000)).expect("opens");
        assert_eq!(*again.found(), Found::Fits);
        assert_eq!(answers(&again), expected, "batches of {batch}");
    }
}

/// Large batches become tables, small ones go through the journal. Whatever was applied before a kill is there
/// afterwards, and the watermark says how far.
#[test]
fn what_was_applied_before_a_kill_is_there_however_it_was_written() {
    const CHILD: &str = "GESTA_INDEX_TEST_CHILD";
    let sizes = [20_000, 1_000, 10, 20_000, 17_000, 1_990];
    let incarnation = Incarnation::from_bytes([7; 16]);
    let all = entries(60_000);
    if let Ok(dir) = std::env::var(CHILD) {
        let index = Index::open(Path::new(&dir), incarnation, Position::new(60_000)).expect("opens");
        let done = usize::try_from(index.watermark().get()).expect("fits");
        let next = sizes
            .iter()
            .scan(0, |sum, size| {
                *sum += size;
                Some(*sum)
            })
            .find(|end| *end > done);
        index.apply(&all[done..next.expect("is not done yet")]).expect("applies");
        std::process::abort();
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut applied = 0;
    for size in sizes {
        let name = "index::tests::what_was_applied_before_a_kill_is_there_however_it_was_written";
        let child = std::process::Command::new(std::env::current_exe().expect("has a path"))
            .args(["--exact", name])
            .env(CHILD, dir.path())
            .output()
            .expect("starts");
        assert!(!child.status.success(), "it was to be killed: {child:?}");
        applied += size;
        let index = Index::open(dir.path(), incarnation, Position::new(60_000)).expect("opens");
        assert_eq!(*index.found(), Found::Fits);
        assert_eq!(index.watermark(), Position::new(applied as u64));
        for entry in all[..applied].iter().step_by(97) {
            assert_eq!(index.find_id(&entry.tenant, entry.id).expect("asks"), Some(entry.position));
        }
        let (none, any) = (Version::EMPTY, Version::new(u64::MAX));
        let a = stream("a-1");
        let found =
            index.stream_positions(&Tenant::default(), &a, none, any, Direction::Forwards, usize::MAX);
        let expected: Vec<_> =
            all[..applied].iter().filter(|e| e.stream == a).map(|e| (e.version, e.position)).collect();
        assert_eq!(found.expect("asks"), expected);
        assert_eq!(index.stream_version(&Tenant::default(), &a).expect("asks").get(), expected.len() as u64);
    }
}

#[test]
fn an_event_is_found_by_its_own_id_as_correlation() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = filled(&dir.path().join("index"), Incarnation::random(), 64);
    let own = entry(1, "b-1", 1).id.to_string();
    let (from, to) = (Position::START, Position::new(u64::MAX));
    let ask = |tenant: &Tenant, from| {
        index.correlated(tenant, &own, from, to, Direction::Forwards, 10).expect("asks")
    };
    assert_eq!(ask(&Tenant::default(), from), [Position::new(1)]);
    assert_eq!(ask(&Tenant::default(), Position::new(1)), []);
    assert_eq!(ask(&"other".parse().expect("legal"), from), []);
}

#[test]
fn a_tenant_finds_only_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = Index::open(dir.path(), Incarnation::random(), Position::START).expect("opens");
    let other: Tenant = "other".parse().expect("legal");
    let foreign = Entry { tenant: other.clone(), ..entry(2, "a-1", 1) };
    index.apply(&[entry(1, "a-1", 1), foreign.clone()]).expect("applies");
    assert_eq!(index.find_id(&Tenant::default(), foreign.id).expect("asks"), None);
    assert_eq!(index.find_id(&other, foreign.id).expect("asks"), Some(Position::new(2)));
    assert_eq!(index.list_streams(&ListStreams::of(other)).expect("asks").len(), 1);
}

#[test]
fn streams_are_listed_by_prefix_and_page() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = filled(&dir.path().join("index"), Incarnation::random(), 100);
    index.apply(&[entry(2_001, "$gesta-1", 1)]).expect("applies");
    let names = |list: ListStreams| -> Vec<String> {
        index.list_streams(&list).expect("asks").iter().map(|info| info.stream.to_string()).collect()
    };
    let all = ListStreams::of(Tenant::default());
    assert_eq!(names(all.clone()), ["a-1", "b-0", "b-1", "b-2", "b-3", "b-4", "b-5", "b-6"]);
    assert_eq!(names(ListStreams { pattern: "b-*".into(), limit: 2, ..all.clone() }), ["b-0", "b-1"]);
    let page = ListStreams { after: Some(stream("b-4")), ..all.clone() };
    assert_eq!(names(ListStreams { pattern: "*-6".into(), ..page.clone() }), ["b-6"]);
    assert_eq!(names(page), ["b-5", "b-6"]);
    assert_eq!(names(ListStreams { system: true, limit: 1, ..all }), ["$gesta-1"]);
}

#[test]
fn an_index_of_another_life_is_discarded() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(filled(dir.path(), Incarnation::random(), 500));
    let index = Index::open(dir.path(), Incarnation::random(), Position::new(2_000)).expect("opens");
    assert!(matches!(index.found(), Found::Discarded { .. }), "{:?}", index.found());
    assert_eq!(index.watermark(), Position::START);
}

#[test]
fn an_index_ahead_of_the_log_is_a_witness_and_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let incarnation = Incarnation::random();
    drop(filled(dir.path(), incarnation, 500));
    for _ in 0..2 {
        let index = Index::open(dir.path(), incarnation, Position::new(1_999)).expect("opens");
        assert_eq!(*index.found(), Found::AheadOfLog { witness: Position::new(2_000) });
    }
}

#[test]
fn any_damage_to_the_folder_ends_in_an_index_that_works() {
    let incarnation = Incarnation::random();
    let mut damaged = 0;
    for nth in 0.. {
        let dir = tempfile::tempdir().expect("a folder");
        drop(filled(dir.path(), incarnation, 500));
        let Some(file) = files(dir.path()).into_iter().nth(nth) else { break };
        let mut bytes = std::fs::read(&file).expect("reads");
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        std::fs::write(&file, bytes).expect("writes");
        let index = Index::open(dir.path(), incarnation, Position::new(2_000)).expect("opens");
        let rest: Vec<_> = entries(2_000).into_iter().filter(|e| e.position > index.watermark()).collect();
        index.apply(&rest).expect("applies");
        let found = index.stream_version(&Tenant::default(), &stream("a-1"));
        if found.is_err() {
            index.rebuild().expect("rebuilds");
            index.apply(&entries(2_000)).expect("applies");
        }
        assert_eq!(
            index.stream_version(&Tenant::default(), &stream("a-1")).expect("asks"),
            Version::new(200)
        );
        damaged += 1;
    }
    assert!(damaged > 3, "only {damaged} files were damaged");
}

#[test]
fn an_index_that_is_built_anew_answers_nothing_before_it_knows_as_much_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = filled(folder.path(), Incarnation::from_bytes([1; 16]), 500);
    let (tenant, known) = (Tenant::default(), entries(2_000));
    index.rebuild().expect("begins anew");
    for batch in known.chunks(1_000) {
        assert!(index.find_id(&tenant, known[0].id).is_err(), "a miss would not be one");
        assert!(index.stream_version(&tenant, &stream("a-1")).is_err());
        index.apply(batch).expect("applies");
    }
    assert_eq!(index.find_id(&tenant, known[0].id).expect("asks"), Some(Position::new(1)));
}

#[test]
fn entries_behind_a_gap_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = filled(folder.path(), Incarnation::from_bytes([1; 16]), 500);
    assert!(index.apply(&[entry(2_002, "a-1", 201)]).is_err());
    assert_eq!(index.watermark(), Position::new(2_000));
    index.apply(&[entry(2_001, "a-1", 201)]).expect("the next one is taken");
}

#[test]
fn a_rebuilt_index_answers_as_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = filled(dir.path(), Incarnation::random(), 500);
    let before = answers(&index);
    index.rebuild().expect("rebuilds");
    assert_eq!(index.watermark(), Position::START);
    index.apply(&entries(2_000)).expect("applies");
    assert_eq!(answers(&index), before);
    index.reopen().expect("reopens");
    assert_eq!(answers(&index), before);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("lists").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
