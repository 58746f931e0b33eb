//! What the checker found.

use std::fmt;

/// What a history must obey; the numbers are those of the list in the guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// 1: what was acknowledged is in the log, at its position and version.
    Acknowledged = 1,
    /// 2: every id is in the log once.
    Once = 2,
    /// 3: versions are 1 … n, and each append met its expected version.
    Expected = 3,
    /// 4: positions are 1 … n.
    Dense = 4,
    /// 5: what was answered before a call stands before it.
    RealTime = 5,
    /// 6: a read is a slice of the one log without a hole.
    Slice = 6,
    /// 7: no client reads backwards in time.
    Backwards = 7,
    /// 8: nobody saw what is not in the log, and nothing is in the log that nobody sent.
    Phantom = 8,
    /// 9: what was refused is not in the log; an unknown is there once or never.
    Refused = 9,
    /// 10: a batch is there whole, contiguous and in order, or not at all.
    Whole = 10,
}

/// One thing that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What it breaks.
    pub rule: Rule,
    /// Which call or event, and how.
    pub what: String,
}

/// What was checked, in numbers, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events of the log.
    pub events: usize,
    /// Calls.
    pub operations: usize,
    /// Appends that were acknowledged.
    pub acknowledged: usize,
    /// Appends of unknown outcome.
    pub unknown: usize,
    /// Appends that a conflict refused.
    pub conflicts: usize,
    /// Batches of more than one event.
    pub batches: usize,
    /// Events that reads and subscriptions saw.
    pub observations: usize,
    /// What no order explains; empty is good.
    pub violations: Vec<Violation>,
}

impl Verdict {
    pub(super) fn add(&mut self, rule: Rule, what: impl Into<String>) {
        self.violations.push(Violation { rule, what: what.into() });
    }

    /// How many violations are of this rule.
    pub fn of(&self, rule: Rule) -> usize {
        self.violations.iter().filter(|violation| violation.rule == rule).count()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} violations of {} operations ({} acknowledged, {} unknown, {} conflicts, {} observations, {} \
             batches) on {} events",
            self.violations.len(),
            self.operations,
            self.acknowledged,
            self.unknown,
            self.conflicts,
            self.observations,
            self.batches,
            self.events
        )?;
        self.violations.iter().take(20).try_for_each(|v| write!(f, "\n  {:?}: {}", v.rule, v.what))
    }
}
