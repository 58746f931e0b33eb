//! Projections over each store that has read models: exactly once, failures, generations.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use gesta::{
    ProcessorInfo, ProcessorOptions, ProcessorState, Processors, Projection, ProjectionError, Rows, Table,
};
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, Filter, NewEvent, Position, RecordedEvent, SystemClock, Tenant,
    values,
};
use place::{Opened, Place};

mod dead_letters;
mod exactly_once;
mod failures;
mod fencing;
mod generations;
mod held;
mod moved;
mod place;
mod replay;
mod shared;

place::on_each_store! {
    tasks exactly_once {
        every_event_counts_once_over_restarts
        a_stop_at_any_moment_repeats_nothing
        a_wait_ends_when_the_position_is_there_or_says_why_it_is_not
        pages_tell_where_they_stand
        a_handler_runs_beside_and_a_reset_gives_it_every_event_again
        a_pause_survives_a_restart
    }
    tasks failures {
        an_event_that_cannot_be_projected_stops_it_right_there_and_says_where
        skipping_leaves_out_what_fails_and_nothing_else
        a_value_the_table_does_not_take_names_the_event_and_the_table
        a_dropped_table_says_rebuild_and_a_rebuild_heals_it
        one_that_stops_holds_up_nobody_else
        what_came_before_a_failure_is_counted_and_nothing_else
        one_that_was_shut_down_says_so
    }
    tasks fencing {
        a_lost_answer_repeats_nothing
        a_lost_answer_repeats_nothing_where_events_are_skipped
        a_replaced_owner_writes_nothing_and_takes_up_again
        a_lost_answer_repeats_nothing_while_a_held_stream_is_released
        what_was_done_on_the_last_attempt_is_no_dead_letter
        a_reset_that_failed_says_resume_and_a_resume_heals_it
        a_rebuild_that_is_given_up_elsewhere_is_not_put_in_its_place
    }
    tasks generations {
        readers_see_no_gap_while_it_is_rebuilt
        an_interrupted_rebuild_goes_on_and_shows_how_far_it_is
        a_changed_projection_is_rebuilt_at_the_next_start_and_answers_meanwhile
        what_another_definition_built_can_be_put_back_and_stays
        a_rebuild_that_cannot_go_on_says_why_and_gives_way_to_another
        a_reset_empties_it_and_fills_it_again
        a_definition_that_cannot_be_run_is_refused_when_it_is_added
        a_rebuild_can_be_given_up_and_a_swap_back_kept_for_later
        a_failed_rebuild_does_not_outlive_a_swap_to_another_definition
    }
    tasks moved {
        a_projection_is_filled_anew_where_the_log_was_copied_to
        what_was_paused_stays_paused_where_the_log_was_copied_to
    }
    tasks dead_letters {
        what_fails_is_kept_with_its_cause_and_holds_its_stream_alone
        a_replay_handles_the_event_and_what_is_held_behind_it_once
        one_that_fails_again_is_a_dead_letter_again
        a_discard_gives_up_one_event_and_goes_on_behind_it
        a_decision_outlives_a_restart_and_takes_effect_once
        a_pause_is_kept_and_a_resume_obeys
        a_rebuild_that_takes_the_event_has_no_letters
        a_handler_gets_them_in_order_and_a_reset_forgets_them
        what_a_replay_of_the_past_leaves_out_holds_nobody_up
    }
    threads shared {
        another_process_shows_it_and_goes_on_when_its_owner_is_killed
        a_pause_holds_in_the_process_that_takes_over
        what_was_changed_unseen_is_not_run
        a_rebuild_elsewhere_is_what_runs_here_afterwards
        many_beginnings_at_once_count_each_event_once
        no_reader_goes_back_when_another_process_is_told_to_rebuild
    }
}

/// The log in a folder, the rows and their checkpoints in a database (P7-57).
mod with_rows_apart {
    use super::place::{Place, on_each_store};

    on_each_store! { @ Place::apart;
        tasks exactly_once {
            every_event_counts_once_over_restarts
            a_stop_at_any_moment_repeats_nothing
            a_handler_runs_beside_and_a_reset_gives_it_every_event_again
            a_pause_survives_a_restart
        }
        tasks generations {
            readers_see_no_gap_while_it_is_rebuilt
            an_interrupted_rebuild_goes_on_and_shows_how_far_it_is
            a_changed_projection_is_rebuilt_at_the_next_start_and_answers_meanwhile
        }
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NAME: &str = "tally-projection";

/// What a test may change about the projection.
#[derive(Clone, Default)]
pub(crate) struct Knobs {
    pub(crate) version: Arc<AtomicU32>,
    /// Events of the category `bad` cannot be projected.
    pub(crate) picky: Arc<AtomicBool>,
}

/// Counts the events of each stream. Not idempotent on purpose: a repeated event shows.
pub(crate) struct Tallies(pub(crate) Knobs);

impl Projection for Tallies {
    fn name(&self) -> &str {
        NAME
    }

    fn version(&self) -> u32 {
        self.0.version.load(Ordering::Relaxed)
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    fn tables(&self) -> Vec<Table> {
        vec![
            Table::new(
                "tallies",
                "CREATE TABLE {tallies} (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, last BIGINT NOT NULL)",
            )
            .with("CREATE INDEX {tallies}_n ON {tallies} (n)"),
        ]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        if self.0.picky.load(Ordering::Relaxed) && event.stream.category() == "bad" {
            return Err(ProjectionError::new("it is bad"));
        }
        // Events of `huge` break a constraint of the table.
        let n = (event.stream.category() != "huge").then_some(1);
        rows.execute(
            "INSERT INTO {tallies} VALUES ($1, $2, $3)
             ON CONFLICT (stream) DO UPDATE SET n = {tallies}.n + 1, last = excluded.last",
            values![event.stream.as_str(), n, event.position],
        );
        Ok(())
    }
}

/// A store and the processors of one process on it.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) store: Opened,
    pub(crate) processors: Arc<Processors>,
    pub(crate) knobs: Knobs,
    options: ProcessorOptions,
}

pub(crate) fn quick() -> ProcessorOptions {
    ProcessorOptions {
        flush: Duration::from_millis(5),
        first_delay: Duration::from_millis(5),
        ..ProcessorOptions::default()
    }
}

impl Site {
    pub(crate) async fn new(place: Place) -> Self {
        Self::with(place, quick()).await
    }

    pub(crate) async fn with(place: Place, options: ProcessorOptions) -> Self {
        Self::open(place, Knobs::default(), options).await
    }

    async fn open(place: Place, knobs: Knobs, options: ProcessorOptions) -> Self {
        let store = place.open().await;
        let processors =
            Processors::new(store.log(), store.checkpoints(), Arc::new(SystemClock), "this-process")
                .with_read_models(store.read_models());
        processors.add_projection(Tallies(knobs.clone()), options.clone()).await.expect("adds");
        processors.start_all().await.expect("starts");
        Self { place, store, processors: Arc::new(processors), knobs, options }
    }

    /// Stops everything and starts it again from what is stored.
    pub(crate) async fn restart(self) -> Self {
        self.processors.shutdown().await;
        self.store.close().await;
        let Self { place, knobs, options, store, processors } = self;
        drop((store, processors));
        Self::open(place, knobs, options).await
    }

    /// Appends `count` events to a stream; answers with the last position.
    pub(crate) async fn append(&self, stream: &str, count: usize) -> Position {
        append(&self.store, stream, count).await
    }

    pub(crate) async fn wait(&self, position: Position) {
        self.processors.wait_for("tally", position, PATIENCE).await.expect("gets there");
    }

    /// What queries see: streams with their counts.
    pub(crate) async fn rows(&self) -> Vec<(String, i64)> {
        let rows =
            self.store.read_models().query("SELECT stream, n FROM tallies ORDER BY stream".into()).await;
        let read = |row: &gesta_core::read_model::Row| {
            (row.get("stream").expect("text"), row.get("n").expect("a number"))
        };
        rows.expect("answers").iter().map(read).collect()
    }

    pub(crate) fn info(&self) -> ProcessorInfo {
        self.processors.get(NAME).expect("is there")
    }

    /// Looks at it again and again until it is as asked for.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&ProcessorInfo) -> bool) -> ProcessorInfo {
        let look = async {
            loop {
                let info = self.info();
                if is(&info) {
                    return info;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, look).await;
        found.unwrap_or_else(|_| panic!("never {what}: {:?}", self.info()))
    }

    pub(crate) async fn stopped(&self) -> String {
        let is = |info: &ProcessorInfo| matches!(info.status.state, ProcessorState::Stopped { .. });
        match self.until("stopped", is).await.status.state {
            ProcessorState::Stopped { reason } => reason.expect("it says why"),
            other => panic!("it is {other:?}"),
        }
    }
}

pub(crate) async fn append(store: &Opened, stream: &str, count: usize) -> Position {
    let events = (0..count).map(|_| NewEvent::new("x", "1"));
    let batch = AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, events);
    store.log().append(batch).await.expect("appends").last().position
}

pub(crate) fn row(stream: &str, n: i64) -> (String, i64) {
    (stream.to_owned(), n)
}
