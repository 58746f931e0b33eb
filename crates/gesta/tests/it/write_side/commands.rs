//! A command takes effect once, or says why not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_util::TryStreamExt;
use gesta::{
    Aggregate, Command, Context, Repository,
    repository::{ExecuteError, LoadError},
};
use gesta_conformance::around::{Around, AroundStore};
use gesta_core::{
    AppendBatch, AppendError, EventStore, EventStream, ExpectedVersion, ManualClock, MemoryStore, Metadata,
    NewEvent, ReadAll, ReadStream, Tenant, Timestamp, Version,
};
use uuid::Uuid;

use super::{
    concert::{Concert, ConcertCommand, No, command, events, open, opened, sell, sold, tenant},
    faulty::{Fault, Faulty},
};

async fn opened_concert(
    faults: impl IntoIterator<Item = Fault>,
) -> (Arc<Around<Faulty>>, Repository<Concert>) {
    let store = Arc::new(MemoryStore::new());
    Repository::<Concert>::new(store.clone()).execute(command(open(10))).await.expect("opens");
    let faulty = Faulty::over(store, faults);
    (faulty.clone(), Repository::new(faulty))
}

/// OR-24, OR-50, P7-06.
#[tokio::test]
async fn events_carry_everything_that_is_known_about_the_command() {
    let store = Arc::new(MemoryStore::new());
    let concerts = Repository::<Concert>::new(store.clone());
    let at: Timestamp = "2025-06-01T19:30:00Z".parse().expect("a time");
    let known = Metadata {
        traceparent: Some("00-1".into()),
        source: Some("box-office".into()),
        ..Metadata::default()
    };
    let bare = command(open(10)).of("north".parse().expect("legal"));
    let given = Command { metadata: known.with("till", "7"), ..bare.clone() }
        .correlated("evening-1")
        .caused_by("call-3")
        .by("ada")
        .occurred_at(at);
    let executed = concerts.execute(given).await.expect("opens");
    assert_eq!((executed.version, executed.state.last_user.as_deref()), (Version::new(1), Some("ada")));
    assert_eq!(executed.state.opened_at, Some(at), "the command's time");

    let stream = "concert-1".parse().expect("legal");
    let read = ReadStream::of("north".parse().expect("legal"), stream);
    let recorded: Vec<_> = store.read_stream(read).try_collect().await.expect("reads");
    let metadata = recorded[0].metadata().expect("parses");
    assert_eq!(
        String::from_utf8_lossy(&metadata.to_json()),
        "{\"correlation_id\":\"evening-1\",\"causation_id\":\"call-3\",\"user_id\":\"ada\",\"source\":\"box-office\",\
         \"occurred_at\":\"2025-06-01T19:30:00.000000Z\",\"traceparent\":\"00-1\",\"till\":\"7\"}"
    );
    assert_eq!((&*recorded[0].event_type, recorded[0].schema_version), ("ConcertOpened", 1));

    let bare = bare.of(Tenant::default());
    concerts.execute(bare.clone()).await.expect("opens another tenant's");
    let metadata = events(&*store).await[0].metadata().expect("parses");
    let id = Some(bare.id.to_string());
    assert_eq!(
        (metadata.correlation_id, metadata.causation_id),
        (id.clone(), id),
        "the command, unless given"
    );
}

/// OR-41: what is loaded is what was answered.
#[tokio::test]
async fn what_is_loaded_equals_what_was_answered() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(7)));
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let concerts = Repository::<Concert>::new(store).with_clock(clock);
    assert_eq!(concerts.load(&tenant(), "1").await.expect("loads"), None);
    concerts.execute(command(open(3))).await.expect("opens");
    let several = ConcertCommand::Sell { seats: vec![0, 2], to: "bob".into() };
    let executed = concerts.execute(command(several)).await.expect("sells");
    assert_eq!(executed.events, [sold(0, "bob"), sold(2, "bob")]);
    assert_eq!(executed.position().map(|position| position.get()), Some(3));
    let loaded = concerts.load(&tenant(), "1").await.expect("loads").expect("is there");
    assert_eq!((loaded.state, loaded.version), (executed.state, executed.version));
}

#[tokio::test]
async fn a_rejection_has_its_code_and_appends_nothing() {
    let (store, concerts) = opened_concert([]).await;
    let error = concerts.execute(command(open(1))).await.expect_err("is open");
    assert_eq!(error.rejection(), Some(&No::AlreadyOpen));
    assert!(!error.is_transient() && error.to_string() == "the concert is open already");
    assert_eq!(store.appends.load(Ordering::SeqCst), 0);
}

/// OR-43.
#[tokio::test]
async fn a_command_that_changes_nothing_succeeds_at_the_same_version() {
    let (store, concerts) = opened_concert([]).await;
    concerts.execute(command(ConcertCommand::Close)).await.expect("closes");
    let again = concerts.execute(command(ConcertCommand::Close)).await.expect("is closed");
    assert_eq!((again.version, again.events.len(), again.position()), (Version::new(2), 0, None));
    assert!(!again.repeated);
    assert_eq!(store.appends.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_common_path_is_one_read_and_one_append() {
    let (store, concerts) = opened_concert([]).await;
    concerts.execute(command(sell(1))).await.expect("sells");
    let counts = [&store.reads, &store.appends, &store.look_ups].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counts, [1, 1, 0], "reads of the stream, appends, look-ups of ids");
}

#[tokio::test]
async fn the_same_command_again_returns_its_first_result() {
    let (store, concerts) = opened_concert([]).await;
    let several =
        command(ConcertCommand::Sell { seats: vec![1, 2], to: "ada".into() }).expecting(Version::new(1));
    let first = concerts.execute(several.clone()).await.expect("sells");
    let other = concerts.execute(command(sell(3))).await.expect("the state moves on");
    assert_eq!(other.version, Version::new(4));

    // It would be rejected now, and its expected version is long gone.
    let again = concerts.execute(several).await.expect("is known");
    assert!(again.repeated && !first.repeated);
    assert_eq!((&again.state, again.version), (&first.state, first.version), "the state as it was then");
    assert_eq!((again.events, again.appended), (first.events, first.appended));
    assert_eq!(events(&*store).await.len(), 4);
}

#[tokio::test]
async fn a_repeated_command_that_would_decide_otherwise_now_returns_its_first_result() {
    // The event holds the time, so that the same ids come with other content.
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_000)));
    let store = Arc::new(MemoryStore::new());
    let concerts = Repository::<Concert>::new(store.clone()).with_clock(clock.clone());
    let first = concerts.execute(command(open(5)).with_id(Uuid::from_u128(9))).await.expect("opens");
    assert_eq!(first.events, [opened(5, Timestamp::from_micros(1_000))]);
    clock.set(Timestamp::from_micros(2_000));

    // A reader that lags behind: it decides on an empty stream and the store knows better.
    let behind = Repository::<Concert>::new(Lagging::new(&store, 0)).with_clock(clock);
    let again = behind.execute(command(open(5)).with_id(Uuid::from_u128(9))).await.expect("is known");
    assert!(again.repeated);
    assert_eq!(again.events, first.events);
    assert_eq!(events(&*store).await.len(), 1);
}

#[tokio::test]
async fn a_repeated_command_that_would_decide_the_same_is_not_taken_for_new() {
    let store = Arc::new(MemoryStore::new());
    let several = ConcertCommand::Sell { seats: vec![1, 2], to: "ada".into() };
    let (opening, sale) = (command(open(5)).occurred_at(Timestamp::from_micros(1)), command(several));
    Repository::<Concert>::new(store.clone()).execute(opening.clone()).await.expect("opens");
    Repository::<Concert>::new(store.clone()).execute(sale).await.expect("sells");

    let behind = Repository::<Concert>::new(Lagging::new(&store, 0));
    let again = behind.execute(opening).await.expect("is known");
    assert!(again.repeated, "the very same events are in the log");
    assert_eq!((again.version, events(&*store).await.len()), (Version::new(1), 3));
}

/// What is ordered and not readable yet: another execution is at it this moment.
#[tokio::test(start_paused = true)]
async fn a_known_command_that_cannot_be_read_yet_is_waited_for_and_then_called_unknown() {
    let log = Arc::new(MemoryStore::new());
    let opening = command(open(5)).occurred_at(Timestamp::from_micros(1));
    Repository::<Concert>::new(log.clone()).execute(opening.clone()).await.expect("opens");
    for (blind, readable) in [(2, true), (99, false)] {
        let behind = Repository::<Concert>::new(Lagging::new(&log, blind));
        match behind.execute(opening.clone()).await {
            Ok(again) => assert!(again.repeated && readable),
            Err(ExecuteError::Unknown { id, .. }) => assert!(id == opening.id && !readable),
            Err(other) => panic!("{other}"),
        }
    }
}

/// The first read of a stream sees nothing of it, and neither do the first look-ups of ids.
struct Lagging {
    log: Arc<MemoryStore>,
    asked: AtomicBool,
    blind: AtomicUsize,
}

impl Lagging {
    fn new(log: &Arc<MemoryStore>, blind: usize) -> Arc<Around<Self>> {
        Arc::new(Around(Self { log: log.clone(), asked: false.into(), blind: blind.into() }))
    }
}

impl AroundStore for Lagging {
    fn store(&self) -> &dyn EventStore {
        &*self.log
    }
    fn read_stream(&self, read: ReadStream) -> EventStream {
        let first = !self.asked.swap(true, Ordering::SeqCst);
        self.log.read_stream(if first { read.up_to(Version::EMPTY) } else { read })
    }
    fn read_all(&self, read: ReadAll) -> EventStream {
        let less = |left: usize| left.checked_sub(1);
        match self.blind.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => self.log.read_all(read.limit(0)),
            Err(_) => self.log.read_all(read),
        }
    }
}

#[tokio::test]
async fn a_command_id_that_was_used_for_another_aggregate_is_refused() {
    let (_, concerts) = opened_concert([]).await;
    let one = command(sell(1));
    concerts.execute(one.clone()).await.expect("sells");
    concerts.execute(Command::new("2", open(3))).await.expect("opens another");
    let other = Command { key: "2".into(), ..one };
    let error = concerts.execute(other.clone()).await.expect_err("is taken");
    let ExecuteError::CommandIdTaken { id, stream } = error else { panic!("{error}") };
    assert_eq!((id, stream.as_str()), (other.id, "concert-1"));
}

#[tokio::test]
async fn an_expected_version_that_does_not_hold_is_a_conflict_at_once() {
    let (store, concerts) = opened_concert([]).await;
    let error = concerts.execute(command(sell(1)).expecting(Version::new(4))).await.expect_err("is at 1");
    let ExecuteError::Conflict { conflict, attempts } = error else { panic!("{error}") };
    assert_eq!(
        (conflict.expected, conflict.actual),
        (ExpectedVersion::Exact(Version::new(4)), Version::new(1))
    );
    assert_eq!((attempts, store.appends.load(Ordering::SeqCst)), (0, 0));
    concerts.execute(command(sell(1)).expecting(Version::new(1))).await.expect("holds");
}

/// OR-51.
#[tokio::test]
async fn an_overtaken_command_decides_again_on_the_newer_state() {
    let (store, concerts) = opened_concert([Fault::Overtaken, Fault::Overtaken]).await;
    let executed = concerts.execute(command(sell(1))).await.expect("the third attempt");
    assert_eq!((executed.version, store.appends.load(Ordering::SeqCst)), (Version::new(4), 3));
    assert_eq!(executed.state.sold.len(), 2, "it saw what the others sold");
}

/// OR-51.
#[tokio::test]
async fn a_command_overtaken_three_times_reports_the_conflict() {
    let (store, concerts) = opened_concert([Fault::Overtaken; 5]).await;
    let error = concerts.execute(command(sell(1))).await.expect_err("three attempts");
    let ExecuteError::Conflict { conflict, attempts } = &error else { panic!("{error}") };
    assert_eq!(
        (conflict.expected, conflict.actual),
        (ExpectedVersion::Exact(Version::new(3)), Version::new(4))
    );
    assert_eq!((*attempts, store.appends.load(Ordering::SeqCst)), (3, 3));
    assert!(error.to_string().contains("at version 4, expected 3"), "{error}");
    let patient = concerts.with_attempts(5);
    patient.execute(command(sell(2))).await.expect("two more faults, five attempts");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_settled_with_the_same_ids() {
    let (store, concerts) = opened_concert([Fault::LostReply]).await;
    let executed = concerts.execute(command(sell(1))).await.expect("is settled");
    assert!(!executed.repeated, "it is this command's own effect");
    assert_eq!((executed.version, events(&*store).await.len()), (Version::new(2), 2));
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_sent_again() {
    let (store, concerts) = opened_concert([Fault::LostRequest, Fault::Busy, Fault::LostRequest]).await;
    let executed = concerts.execute(command(sell(1))).await.expect("is settled");
    assert_eq!((executed.version, events(&*store).await.len()), (Version::new(2), 2));
}

#[tokio::test(start_paused = true)]
async fn busy_after_a_lost_reply_stays_unknown() {
    let (store, concerts) = opened_concert([Fault::LostReply, Fault::Busy, Fault::Busy, Fault::Busy]).await;
    let sale = command(sell(1));
    let error = concerts.execute(sale.clone()).await.expect_err("nobody answers");
    let ExecuteError::Unknown { id, .. } = &error else { panic!("{error}") };
    assert!(*id == sale.id && error.is_transient());
    let again = concerts.execute(sale).await.expect("the same id finds out");
    assert!(again.repeated);
    assert_eq!(events(&*store).await.len(), 2);
}

#[tokio::test]
async fn a_busy_store_is_told_apart_from_an_unknown_outcome() {
    let (_, concerts) = opened_concert([Fault::Busy]).await;
    let error = concerts.execute(command(sell(1))).await.expect_err("is busy");
    assert!(
        matches!(error, ExecuteError::Store(AppendError::Busy { .. })) && error.is_transient(),
        "{error}"
    );
}

#[tokio::test]
async fn a_foreign_event_in_the_stream_is_named() {
    let (store, concerts) = opened_concert([]).await;
    let foreign = NewEvent::new("BallotCast", "{}");
    let batch = AppendBatch::to("concert-1".parse().expect("legal"), ExpectedVersion::Any, [foreign]);
    store.store.append(batch).await.expect("appends");
    let error = concerts.execute(command(sell(1))).await.expect_err("cannot be read");
    assert!(matches!(error, ExecuteError::Load(LoadError::Decode(_))));
    assert_eq!(
        error.to_string(),
        "event 2 of stream concert-1 (BallotCast, schema version 1) cannot be read: no kind of event is called so; \
         add a variant, or make it an alias of one"
    );
}

#[tokio::test]
async fn a_key_that_no_stream_can_have_is_refused() {
    let (_, concerts) = opened_concert([]).await;
    let error = concerts.execute(Command::new("a b", sell(1))).await.expect_err("illegal");
    assert!(matches!(error, ExecuteError::Key(_)), "{error}");
}

#[tokio::test]
async fn an_answer_to_an_event_keeps_its_conversation_and_takes_effect_once() {
    let (store, concerts) = opened_concert([]).await;
    let cause = &events(&*store).await[0];
    let answer = || command(sell(1)).in_answer_to::<Concert>(cause, "greet").expect("has metadata");
    assert_eq!(answer().id, answer().id, "an event delivered twice makes one command");
    concerts.execute(answer()).await.expect("sells");
    assert!(concerts.execute(answer()).await.expect("is known").repeated);
    let metadata = events(&*store).await[1].metadata().expect("parses");
    assert_eq!(metadata.causation_id, Some(cause.id.to_string()));
    assert_eq!(metadata.correlation_id, cause.metadata().expect("parses").correlation_id);
}

/// The same concert under another category.
#[derive(Default, Clone)]
struct Matinee(Concert);

impl Aggregate for Matinee {
    const CATEGORY: &'static str = "matinee";
    type Command = <Concert as Aggregate>::Command;
    type Event = <Concert as Aggregate>::Event;
    type Rejection = <Concert as Aggregate>::Rejection;

    fn decide(
        &self,
        command: &Self::Command,
        context: &Context<'_>,
    ) -> Result<Vec<Self::Event>, Self::Rejection> {
        self.0.decide(command, context)
    }

    fn apply(&mut self, event: &Self::Event, context: &Context<'_>) {
        self.0.apply(event, context);
    }
}

#[tokio::test]
async fn one_reaction_may_tell_aggregates_of_two_kinds_with_one_key() {
    let (store, concerts) = opened_concert([]).await;
    let matinees = Repository::<Matinee>::new(store.clone());
    matinees.execute(command(open(10))).await.expect("opens");
    let cause = &events(&*store).await[0];
    let of_concert = command(sell(1)).in_answer_to::<Concert>(cause, "greet").expect("has metadata");
    let of_matinee = command(sell(1)).in_answer_to::<Matinee>(cause, "greet").expect("has metadata");
    assert!(!concerts.execute(of_concert).await.expect("sells").repeated);
    assert!(!matinees.execute(of_matinee).await.expect("sells, too").repeated);
}
