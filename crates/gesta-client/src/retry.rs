//! How often, and how long apart, a call is tried.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The pauses between the tries of one call: four of them, doubling from 50 ms, each with jitter; then the last
/// answer stands.
pub(crate) fn call() -> ExponentialBackoff {
    pauses(Duration::from_millis(50), Duration::from_secs(1)).with_max_times(4).build()
}

/// The pauses before a broken subscription connects again: doubling from 50 ms to 5 s, without an end.
pub(crate) fn reconnect() -> ExponentialBackoff {
    pauses(Duration::from_millis(50), Duration::from_secs(5)).without_max_times().build()
}

fn pauses(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(first).with_max_delay(longest).with_jitter()
}

/// The longest pause a server may ask for; a longer one is cut to this.
const LONGEST_ASKED: Duration = Duration::from_secs(5);

/// The pause that counts: what the server asked for, if it asked for more than we would wait.
pub(crate) fn pause(ours: Duration, asked: Option<Duration>) -> Duration {
    ours.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_tried_five_times_within_a_few_seconds() {
        let pauses: Vec<_> = call().collect();
        assert_eq!(pauses.len(), 4);
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(5), "{pauses:?}");
    }

    #[test]
    fn a_server_may_ask_for_more_patience_but_not_for_ever() {
        let ours = Duration::from_millis(50);
        assert_eq!(pause(ours, None), ours);
        assert_eq!(pause(ours, Some(Duration::from_secs(1))), Duration::from_secs(1));
        assert_eq!(pause(ours, Some(Duration::from_secs(3600))), LONGEST_ASKED);
    }
}
