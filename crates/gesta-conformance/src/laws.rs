//! The laws. A module is a law or a port's promise, each of its functions one sharp test of it.

pub mod a_dropped_wakeup_loses_nothing;
pub mod a_readable_position_never_changes;
pub mod a_tenant_sees_only_its_own;
pub mod a_timeout_is_unknown_and_a_retry_settles_it;
pub mod append_is_atomic;
pub mod catalog;
pub mod contents;
pub mod expected_versions;
pub mod filters;
pub mod limits;
pub mod log_reads;
pub mod nothing_is_readable_before_it_is_durable;
pub mod one_winner;
pub mod positions_are_dense_and_in_commit_order;
pub mod random_histories;
pub mod recorded_at;
pub mod same_ids_append_once;
pub mod stream_reads;
pub mod versions_have_no_gaps;
