//! How much of the log one page looks at.

/// Positions looked at first.
const FIRST: u64 = 1_000;
/// Most positions looked at by one statement: it must not take long, whatever the filter.
const MOST: u64 = 256_000;

/// A stretch of the log: longer while little is found in it, so that a rare event in a large log is found soon, and no
/// statement takes long.
pub(super) struct Window(u64);

impl Default for Window {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Window {
    pub(super) fn length(&self) -> u64 {
        self.0
    }

    /// So many were found in it; a full page had no room for more.
    pub(super) fn found(&mut self, events: usize, full: bool) {
        if full {
            self.0 = (self.0 / 2).max(FIRST);
        } else if (events as u64) < self.0 / 4 {
            self.0 = (self.0 * 4).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_little_is_found_and_shrinks_when_a_page_is_full() {
        let mut window = Window::default();
        for _ in 0..10 {
            window.found(0, false);
        }
        assert_eq!(window.length(), MOST);
        window.found(500, true);
        assert_eq!(window.length(), MOST / 2);
        window.found(100_000, false);
        assert_eq!(window.length(), MOST / 2, "a stretch that was worth it");
    }
}
