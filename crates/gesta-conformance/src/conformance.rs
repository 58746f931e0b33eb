//! The list of all laws.

/// One test for each law of an event store; `$fresh` is an async function that answers with a
/// [`Backend`](crate::Backend) over a log of its own.
///
/// ```
/// # mod laws {
/// use gesta_conformance::{MemoryBackend, conformance};
/// async fn memory() -> MemoryBackend {
///     MemoryBackend::default()
/// }
/// conformance!(memory);
/// # }
/// ```
#[macro_export]
macro_rules! conformance {
    ($fresh:expr) => {
        $crate::conformance! { @ $fresh;
            append_is_atomic {
                a_batch_is_contiguous_and_in_order
                a_conflict_on_one_stream_keeps_all_out
                an_illegal_event_keeps_all_out
                a_stream_may_come_twice_in_a_batch
                readers_at_full_speed_never_see_part_of_a_batch
            }
            same_ids_append_once {
                the_same_again_returns_the_first_result
                the_same_over_two_streams_returns_the_first_result
                a_retry_of_a_success_is_no_conflict
                other_content_is_refused
                a_taken_id_is_told_before_a_conflict
                a_batch_known_in_part_is_refused
                another_trace_is_the_same_content
                the_same_batch_sent_by_many_is_stored_once
                an_early_id_is_known_behind_many
            }
            one_winner {
                of_two_hundred_writers_exactly_one_wins
                only_one_creates_a_stream
                writers_who_decide_again_lose_no_update
                a_batch_wins_all_its_streams_or_none
            }
            versions_have_no_gaps {
                under_concurrent_writers_and_refusals
                across_a_reopening
            }
            positions_are_dense_and_in_commit_order {
                two_tenants_fill_one_log_without_a_gap
                an_earlier_reply_has_a_lower_position
                versions_and_positions_rise_together
                the_log_goes_on_after_a_reopening
            }
            a_readable_position_never_changes {
                reading_on_equals_reading_again
                everything_up_to_the_head_can_be_read
                nothing_changes_across_a_reopening
            }
            nothing_is_readable_before_it_is_durable {
                a_durable_reply_says_its_class_and_is_readable
                a_relaxed_reply_promises_nothing_and_becomes_readable
                a_read_never_goes_beyond_a_later_head
                what_was_readable_survives_a_reopening
            }
            a_dropped_wakeup_loses_nothing {
                a_reader_without_hints_finds_everything
                a_hint_comes_and_never_runs_ahead
                what_came_before_the_wait_is_read
            }
            a_timeout_is_unknown_and_a_retry_settles_it {
                who_hangs_up_and_sends_again_stores_once
                who_never_comes_back_leaves_all_or_nothing
                clients_that_hang_up_see_one_linear_history
            }
            a_tenant_sees_only_its_own {
                streams_of_one_name_are_apart
                filters_are_apart
                ids_are_apart
                versions_are_apart
                catalogues_are_apart
                a_handle_of_an_edge_serves_one_tenant
            }
            expected_versions {
                each_is_accepted_exactly_when_it_holds
                a_conflict_tells_what_to_expect
                streams_of_like_names_are_apart
            }
            stream_reads {
                a_stream_nobody_wrote_to_is_empty
                bounds_direction_and_limit_agree_with_a_list
                a_long_stream_is_read_whole
            }
            log_reads {
                bounds_direction_and_limit_agree_with_a_list
                a_long_log_is_read_whole
                a_small_tenant_in_a_large_log_reads_its_own
                a_read_may_be_left_half_way
            }
            filters {
                each_part_alone
                parts_combined
                the_time_range_is_half_open
                an_event_is_found_by_its_own_id_as_correlation
                the_same_after_a_reopening
            }
            limits {
                five_hundred_events_are_taken_and_no_more
                an_event_of_one_mebibyte_is_taken_and_no_more
                a_batch_of_eight_mebibytes_is_taken_and_no_more
                metadata_of_64_kibibytes_is_taken_and_no_more
                what_is_malformed_is_refused_by_its_name
            }
            contents {
                json_comes_back_as_it_was_spelled
                binary_comes_back_byte_for_byte
                metadata_comes_back_whole
                odd_names_are_kept
                streams_of_gesta_itself_are_hidden
            }
            recorded_at {
                never_goes_back_within_a_stream
            }
            catalog {
                lists_streams_by_name_with_their_heads
                pages_make_the_whole_list
                a_pattern_lists_what_it_matches
                the_list_survives_a_reopening
            }
            random_histories {
                agree_with_the_model
            }
        }
    };
    (@ $fresh:expr; $($law:ident { $($test:ident)* })*) => {$(
        mod $law {
            use super::*;
            $(
                #[test]
                fn $test() {
                    $crate::run(async { $crate::laws::$law::$test(&($fresh)().await).await });
                }
            )*
        }
    )*};
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// A law that nobody runs is no law: the list above names every public function of the folder.
    #[test]
    fn every_law_is_on_the_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/laws");
        let list = include_str!("conformance.rs");
        let listed: BTreeSet<&str> = list.split_whitespace().collect();
        let mut laws = 0;
        for file in fs::read_dir(folder).expect("the folder of laws") {
            let text = fs::read_to_string(file.expect("an entry").path()).expect("a source file");
            for law in text.split("pub async fn ").skip(1).filter_map(|rest| rest.split('(').next()) {
                assert!(listed.contains(law), "{law} is on no list");
                laws += 1;
            }
        }
        assert!(laws > 60, "{laws} laws were found");
    }
}
