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

/// One deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    AckBeforeSync,
    SkipSync,
    LoseOneEvent,
    DuplicateOnRetry,
    VersionGte,
    VersionBeforeIds,
    TornTailKept,
    VisibleBeforeDurable,
    PositionReusedAfterRestart,
    ContinueAfterEio,
    SegmentBeforeFolderSync,
    DamageCutAsTorn,
}

/// Whether `bug` is armed: never, and at no cost, without the feature.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub(crate) const fn armed(_bug: Bug) -> bool {
    false
}

/// Whether `bug` is armed.
#[cfg(feature = "planted")]
pub(crate) fn armed(bug: Bug) -> bool {
    static ARMED: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    *ARMED.get_or_init(from_environment) == Some(bug)
}

/// A name that is unknown here arms nothing here: other crates plant bugs of their own under the same variable.
#[cfg(feature = "planted")]
fn from_environment() -> Option<Bug> {
    let name = std::env::var("GESTA_PLANTED").ok().filter(|name| !name.is_empty())?;
    Some(match name.as_str() {
        "ack_before_sync" => Bug::AckBeforeSync,
        "skip_sync" => Bug::SkipSync,
        "lose_one_event" => Bug::LoseOneEvent,
        "duplicate_on_retry" => Bug::DuplicateOnRetry,
        "version_gte" => Bug::VersionGte,
        "version_before_ids" => Bug::VersionBeforeIds,
        "torn_tail_kept" => Bug::TornTailKept,
        "visible_before_durable" => Bug::VisibleBeforeDurable,
        "position_reused_after_restart" => Bug::PositionReusedAfterRestart,
        "continue_after_eio" => Bug::ContinueAfterEio,
        "segment_before_folder_sync" => Bug::SegmentBeforeFolderSync,
        "damage_cut_as_torn" => Bug::DamageCutAsTorn,
        _ => return None,
    })
}
