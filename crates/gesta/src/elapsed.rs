//! A clock that cannot be turned back.

use std::sync::Arc;

use gesta_core::{Clock, Timestamp};

/// The time as far as it has gone by since the first reading: when the clock below is turned back, it goes on from there,
/// so that no lease or delay grows by the jump.
pub(crate) struct Elapsed {
    clock: Arc<dyn Clock>,
    read: Timestamp,
    now: Timestamp,
}

impl Elapsed {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let read = clock.now();
        Self { clock, read, now: read }
    }

    /// The time now; never earlier than the last answer.
    pub(crate) fn now(&mut self) -> Timestamp {
        let read = self.clock.now();
        self.now = self.now.plus(read.since(self.read));
        self.read = read;
        self.now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gesta_core::ManualClock;

    use super::*;

    #[test]
    fn a_clock_turned_back_goes_on() {
        let manual = Arc::new(ManualClock::at(Timestamp::from_micros(1_000)));
        let mut elapsed = Elapsed::new(manual.clone());
        manual.set(Timestamp::from_micros(10));
        assert_eq!(elapsed.now().as_micros(), 1_000);
        manual.advance(Duration::from_micros(5));
        assert_eq!(elapsed.now().as_micros(), 1_005);
    }
}
