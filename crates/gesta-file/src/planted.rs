//! Deliberate bugs, to prove that the tests would notice them.
//!
//! They exist only with the feature `planted`, which is never part of a default set. The environment variable
//! `GESTA_PLANTED` arms one of them for the life of the process:
//!
//! | Name | What goes wrong |
//! |---|---|
//! | `ack_before_sync` | an append is acknowledged and readable before it is written and synced |
//! | `skip_sync` | groups are written and never synced, and the reply says they were |
//! | `lose_one_event` | the last append of every 100 is acknowledged and not stored |
//! | `duplicate_on_retry` | ids are not looked up, so a retry is appended a second time |
//! | `version_gte` | an expected version below the stream's version is taken as well |
//! | `version_before_ids` | the version is compared before ids are looked up |
//! | `torn_tail_kept` | checksums of records are not compared, neither at opening nor at reading |
//! | `visible_before_durable` | the readable head moves before the group is synced |
//! | `position_reused_after_restart` | opening after an unclean stop gives the last group's positions out again |
//! | `continue_after_eio` | a failed write or sync is taken for done |
//! | `segment_before_folder_sync` | a prepared segment is used before its new name is synced |
//! | `damage_cut_as_torn` | damage in the open segment is cut off as if it were a torn write |

/// Whether this bug is armed: never, and at no cost, without the feature.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub(crate) const fn armed(_name: &str) -> bool {
    false
}

/// Whether this bug is armed. A name of another crate arms nothing here.
#[cfg(feature = "planted")]
pub(crate) fn armed(name: &str) -> bool {
    static ARMED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ARMED.get_or_init(|| std::env::var("GESTA_PLANTED").ok()).as_deref() == Some(name)
}
