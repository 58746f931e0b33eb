//! Each bug is caught by the law it breaks, and the same laws pass without it.

use futures_util::{FutureExt, future::BoxFuture};
use gesta_conformance::{Backend, laws::*, model};

use crate::broken::{Broken, Bug};

type Law = fn(&dyn Backend) -> BoxFuture<'_, ()>;

/// A bug and a law that must notice it.
macro_rules! controls {
    ($($bug:ident => $law:ident::$test:ident)*) => {
        [$((Bug::$bug, concat!(stringify!($law), "::", stringify!($test)), (|backend| $law::$test(backend).boxed()) as Law)),*]
    };
}

const CONTROLS: [(Bug, &str, Law); 21] = controls! {
    BatchInParts => append_is_atomic::a_conflict_on_one_stream_keeps_all_out
    BatchInParts => append_is_atomic::readers_at_full_speed_never_see_part_of_a_batch
    SecondCopyOnRetry => same_ids_append_once::the_same_again_returns_the_first_result
    VersionBeforeIds => same_ids_append_once::a_retry_of_a_success_is_no_conflict
    VersionIgnored => one_winner::of_two_hundred_writers_exactly_one_wins
    EventLeftOut => log_reads::a_long_log_is_read_whole
    NeighboursSwapped => a_readable_position_never_changes::reading_on_equals_reading_again
    WrongTenant => a_tenant_sees_only_its_own::filters_are_apart
    HeadAhead => a_readable_position_never_changes::everything_up_to_the_head_can_be_read
    HeadBehind => nothing_is_readable_before_it_is_durable::a_durable_reply_says_its_class_and_is_readable
    HintAhead => a_dropped_wakeup_loses_nothing::a_hint_comes_and_never_runs_ahead
    UpperBoundExclusive => stream_reads::bounds_direction_and_limit_agree_with_a_list
    LimitIgnored => log_reads::bounds_direction_and_limit_agree_with_a_list
    AlwaysForwards => stream_reads::bounds_direction_and_limit_agree_with_a_list
    TraceIsContent => same_ids_append_once::another_trace_is_the_same_content
    TimeOfTheRetry => same_ids_append_once::the_same_again_returns_the_first_result
    FilterOfTypesIgnored => filters::each_part_alone
    RelaxedSaysDurable => nothing_is_readable_before_it_is_durable::a_relaxed_reply_promises_nothing_and_becomes_readable
    SystemStreamsShown => contents::streams_of_gesta_itself_are_hidden
    ListIgnoresItsStart => catalog::pages_make_the_whole_list
    MetadataRewritten => contents::metadata_comes_back_whole
};

/// Whether the law panics on a store with this bug.
async fn breaks(bug: Bug, law: Law) -> bool {
    tokio::spawn(async move { law(&Broken::by(bug)).await }).await.is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_bug_is_caught_by_its_law() {
    let mut caught = 0;
    for (bug, name, law) in CONTROLS {
        assert!(!breaks(Bug::None, law).await, "{name} fails on a store without a bug");
        assert!(breaks(bug, law).await, "{name} does not notice {bug:?}");
        caught += 1;
    }
    println!("planted bugs caught by laws: {caught} of {}", CONTROLS.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_catch_what_changes_an_answer() {
    let bugs = [
        Bug::SecondCopyOnRetry,
        Bug::VersionBeforeIds,
        Bug::VersionIgnored,
        Bug::EventLeftOut,
        Bug::NeighboursSwapped,
        Bug::WrongTenant,
        Bug::UpperBoundExclusive,
        Bug::LimitIgnored,
        Bug::AlwaysForwards,
        Bug::TimeOfTheRetry,
        Bug::FilterOfTypesIgnored,
        Bug::ListIgnoresItsStart,
        Bug::MetadataRewritten,
    ];
    for bug in bugs {
        let played = tokio::spawn(async move {
            for run in 1..=4 {
                model::play(&Broken::by(bug), run, 120).await;
            }
        });
        assert!(played.await.is_err(), "four random histories do not notice {bug:?}");
    }
    println!("planted bugs caught by random histories: {0} of {0}", bugs.len());
}
