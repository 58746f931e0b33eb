use gesta::Following;
use tokio::runtime::Runtime;

use super::*;

const LEASE: Duration = Duration::from_millis(600);
const LOOK: Duration = Duration::from_millis(20);

/// What several processes share. A data folder is open in one process at a time: there they share the open store, too.
struct Shared {
    place: Place,
    open: tokio::sync::Mutex<Option<Opened>>,
}

impl Shared {
    fn new(place: Place) -> Self {
        Self { place, open: tokio::sync::Mutex::default() }
    }

    async fn open(&self) -> Opened {
        if matches!(self.place, Place::Database(_)) {
            return self.place.open().await;
        }
        let mut open = self.open.lock().await;
        if open.is_none() {
            *open = Some(self.place.open().await);
        }
        open.clone().expect("it is open")
    }
}

/// One process of several on a log: a runtime of its own, so that it can be killed.
struct Process {
    store: Opened,
    processors: Arc<Processors>,
    following: Following,
    runtime: Option<Runtime>,
}

impl Process {
    /// Starts, or only follows what others run.
    fn on(shared: &Shared, owner: &str, starts: bool) -> Self {
        Self::looking(shared, owner, starts, LOOK)
    }

    /// The same with a look at what others do every so often.
    fn looking(shared: &Shared, owner: &str, starts: bool, every: Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
        let store = runtime.block_on(shared.open());
        let processors = Processors::new(store.log(), store.checkpoints(), Arc::new(SystemClock), owner)
            .with_read_models(store.read_models());
        let processors = Arc::new(processors);
        let following = runtime.block_on(async {
            let options = ProcessorOptions { lease: LEASE, ..quick() };
            processors.add_projection(Tallies(Knobs::default()), options).await.expect("adds");
            let following = processors.follow(every);
            if starts {
                processors.start_all().await.expect("starts");
            }
            following
        });
        Self { store, processors, following, runtime: Some(runtime) }
    }

    fn until(&self, what: &str, is: impl Fn(&ProcessorInfo) -> bool) -> ProcessorInfo {
        let began = std::time::Instant::now();
        loop {
            let info = self.processors.get(NAME).expect("is there");
            if is(&info) {
                return info;
            }
            assert!(began.elapsed() < PATIENCE, "never {what}: {info:?}");
            std::thread::yield_now();
        }
    }

    fn runs(&self) -> ProcessorInfo {
        self.until("running here", |info| info.status.state == ProcessorState::Running)
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("alive").block_on(work)
    }

    fn wait(&self, position: Position) {
        let waited = self.block_on(self.processors.wait_for("tally", position, PATIENCE));
        waited.expect("somebody gets there");
    }

    /// Ends without a word, as a killed process does.
    fn kill(mut self) {
        let Self { processors, following, .. } = &self;
        // Nothing may be told to stop: what is dropped would let go of its lease.
        std::mem::forget((Arc::clone(processors), following));
        self.runtime.take().expect("alive").shutdown_background();
        std::mem::forget(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.block_on(self.processors.shutdown());
            runtime.shutdown_background();
        }
    }
}

fn appended(process: &Process, count: usize) -> Position {
    process.block_on(append(&process.store, "a-1", count))
}

fn tallied(process: &Process) -> i64 {
    let rows = process.block_on(process.store.read_models().query("SELECT n FROM tallies".into()));
    rows.expect("answers")[0].get("n").expect("a number")
}

/// It runs in one process, every other one tells the same of it, and goes on when that one is killed.
pub(crate) fn another_process_shows_it_and_goes_on_when_its_owner_is_killed(on: Place) {
    let store = Shared::new(on);
    let one = Process::on(&store, "one", true);
    one.runs();
    let two = Process::on(&store, "two", true);
    let idle = Process::on(&store, "three", false);
    let position = appended(&one, 10);
    for process in [&one, &two, &idle] {
        process.wait(position);
    }
    for process in [&two, &idle] {
        let seen = process.until("seen", |info| info.status.position >= position);
        assert_eq!((seen.owner.as_deref(), seen.status.processed, seen.generation), (Some("one"), 10, 1));
        let holder = process.block_on(process.processors.elsewhere("tally")).expect("asked");
        assert_eq!(holder.expect("another one runs it").1.owner, "one");
    }
    assert!(one.block_on(one.processors.elsewhere("tally")).expect("asked").is_none());
    // What is not for it moves its place, which is not saved each time.
    let foreign = one.block_on(async {
        let event =
            AppendBatch::to("a-1".parse().expect("legal"), ExpectedVersion::Any, [NewEvent::new("x", "1")]);
        one.store
            .log()
            .append(event.of("other".parse().expect("legal")))
            .await
            .expect("appends")
            .last()
            .position
    });
    for process in [&two, &idle] {
        process.wait(foreign);
        let seen = process.until("at the head", |info| info.status.position == foreign);
        assert_eq!((seen.owner.as_deref(), seen.status.lag_events), (Some("one"), 0));
    }

    let killed = std::time::Instant::now();
    one.kill();
    let last = appended(&two, 5);
    two.wait(last);
    assert!(killed.elapsed() < LEASE * 3, "{:?}", killed.elapsed());
    assert_eq!(two.runs().owner, None);
    assert_eq!(tallied(&two), 15);
    idle.until("seen again", |info| info.owner.as_deref() == Some("two"));
}

/// A process that has not yet seen what another one was told claims nothing.
pub(crate) fn what_was_changed_unseen_is_not_run(on: Place) {
    let store = Shared::new(on);
    let one = Process::on(&store, "one", true);
    one.runs();
    let two = Process::looking(&store, "two", true, Duration::from_secs(3_600));
    let position = appended(&one, 3);
    two.wait(position);
    one.block_on(one.processors.pause("tally")).expect("paused");
    drop(one);
    appended(&two, 2);
    // It asks for the claim three times within a lease.
    let began = std::time::Instant::now();
    while began.elapsed() < LEASE {
        assert_eq!(tallied(&two), 3, "it was told to pause");
    }
}

/// What one process is told holds for whichever runs it next.
pub(crate) fn a_pause_holds_in_the_process_that_takes_over(on: Place) {
    let store = Shared::new(on);
    let one = Process::on(&store, "one", true);
    one.runs();
    let two = Process::on(&store, "two", true);
    let position = appended(&one, 3);
    two.wait(position);
    one.block_on(one.processors.pause("tally")).expect("paused");
    // It lets go at once, so that the other one may take it before it has looked.
    drop(one);
    let paused = two.until("paused here", |info| info.status.state == ProcessorState::Paused);
    assert!(paused.paused && paused.owner.is_none(), "{paused:?}");
    let last = appended(&two, 2);
    assert_eq!(two.processors.get(NAME).expect("is there").status.position, position);
    two.block_on(two.processors.resume("tally")).expect("goes on");
    two.wait(last);
    assert_eq!(tallied(&two), 5);
}

/// A rebuild that one process did is at work in all of them, and the former generation runs nowhere.
pub(crate) fn a_rebuild_elsewhere_is_what_runs_here_afterwards(on: Place) {
    let store = Shared::new(on);
    let one = Process::on(&store, "one", true);
    one.runs();
    let two = Process::on(&store, "two", true);
    let position = appended(&one, 3);
    two.wait(position);
    one.block_on(one.processors.rebuild("tally")).expect("begins");
    one.until("swapped", |info| info.generation == 2 && info.rebuild.is_none());
    two.until("followed", |info| info.generation == 2 && info.rebuild.is_none());
    two.wait(appended(&one, 1));
    one.kill();
    two.wait(appended(&two, 1));
    assert_eq!(two.runs().generation, 2);
    assert_eq!(tallied(&two), 5);
}

/// Both begin at once, again and again: each event counts once.
pub(crate) fn many_beginnings_at_once_count_each_event_once(on: Place) {
    let store = Shared::new(on);
    let mut sum = 0;
    for round in 0..5 {
        let both = std::thread::scope(|scope| {
            let start = |owner: String| {
                let store = &store;
                scope.spawn(move || Process::on(store, &owner, true))
            };
            let both = [start(format!("one-{round}")), start(format!("two-{round}"))];
            both.map(|one| one.join().expect("starts"))
        });
        let position = appended(&both[0], 7);
        sum += 7;
        both.iter().for_each(|process| process.wait(position));
        assert_eq!(tallied(&both[0]), sum);
    }
}

/// Lets threads end, also when what they accompany fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A rebuild that is told to one process while another one has the claim steps back for no reader: whoever holds up the
/// generation at work is who exchanges it.
pub(crate) fn no_reader_goes_back_when_another_process_is_told_to_rebuild(on: Place) {
    let store = Shared::new(on);
    let one = Process::on(&store, "one", true);
    one.runs();
    let two = Process::on(&store, "two", true);
    two.wait(appended(&one, 500));
    let stop = AtomicBool::new(false);
    let mut written = 500;
    std::thread::scope(|scope| {
        let ends = Ends(&stop);
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let n = tallied(&one);
                assert!(n >= seen, "back from {seen} to {n}");
                seen = n;
            }
        });
        let writer = scope.spawn(|| {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                written += 5;
                one.wait(appended(&one, 5));
            }
            written
        });
        for generation in 2..=5 {
            two.block_on(two.processors.rebuild("tally")).expect("begins");
            let swapped = |info: &ProcessorInfo| info.generation == generation && info.rebuild.is_none();
            two.until("swapped", swapped);
            one.until("swapped", swapped);
            assert!(!reader.is_finished(), "a reader saw what it should not");
        }
        drop(ends);
        reader.join().expect("sees no step back");
        written += writer.join().expect("writes");
    });
    two.wait(appended(&one, 1));
    assert_eq!(tallied(&two), written + 1);
}
