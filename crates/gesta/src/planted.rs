//! Bugs on purpose, which prove the tests: compiled with the feature `planted`, which no default set holds, and armed
//! one at a time by the environment variable `GESTA_PLANTED`.
//!
//! | Name | What goes wrong |
//! |---|---|
//! | `skip_one_event` | a subscription leaves out every sixteenth event |
//! | `wakeup_needed` | a subscription misses every other wakeup, and waits for the next one for ever, without a poll |
//! | `wakeups_dropped` | no bug: no wakeup ever comes, and the poll must do |
//! | `checkpoint_plus_one` | processors and groups save one event more than was handled |
//! | `checkpoint_outside_transaction` | a projection commits its rows alone, and the processor saves the checkpoint afterwards |
//! | `stale_epoch_accepted` | processors and groups go on when their checkpoint was taken over |
//! | `dead_letter_overtaken` | a parked event does not hold back the later ones of its stream |

/// Whether this bug is armed.
#[cfg(feature = "planted")]
pub(crate) fn armed(name: &str) -> bool {
    static ARMED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ARMED.get_or_init(|| std::env::var("GESTA_PLANTED").ok()).as_deref() == Some(name)
}

/// Whether this bug is armed: never, in a build without them.
#[cfg(not(feature = "planted"))]
pub(crate) const fn armed(_name: &str) -> bool {
    false
}
