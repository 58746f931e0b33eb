//! Deliberate bugs, to prove that the tests would notice them.
//!
//! They exist only with the feature `planted`, which is never part of a default set. The environment variable
//! `GESTA_PLANTED` arms one of them for the life of the process:
//!
//! | Name | What goes wrong |
//! |---|---|
//! | `postgres_lock_removed` | whoever numbers events does not hold the lock of the log |
//! | `postgres_unknown_as_refused` | an append whose commit was not answered is refused, as if nothing were stored |

/// One deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    LockRemoved,
    UnknownAsRefused,
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
        "postgres_lock_removed" => Bug::LockRemoved,
        "postgres_unknown_as_refused" => Bug::UnknownAsRefused,
        _ => return None,
    })
}

/// The lock of the log without its lock.
pub(crate) const NO_LOCK: &str =
    "CREATE OR REPLACE FUNCTION gesta.lock_log() RETURNS void LANGUAGE sql AS $$ $$";
