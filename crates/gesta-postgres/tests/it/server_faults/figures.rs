//! Figures with their denominators.

use super::*;

/// What was counted, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) rounds: u64,
    pub(super) strikes: BTreeMap<Fault, u64>,
    pub(super) acknowledged: usize,
    pub(super) unknown: usize,
    pub(super) settled: usize,
    pub(super) refused: usize,
    operations: usize,
    conflicts: usize,
    batches: usize,
    observations: usize,
    by_rule: BTreeMap<Rule, usize>,
    /// Events of logs that are over.
    events: usize,
    log: Vec<Logged>,
    pub(super) wrong: Vec<String>,
}

impl Figures {
    /// Judges what happened under one fault.
    pub(super) fn account(&mut self, fault: Fault, history: &History) {
        let verdict = check(history);
        self.rounds += 1;
        *self.strikes.entry(fault).or_default() += 1;
        self.operations += verdict.operations;
        self.conflicts += verdict.conflicts;
        self.batches += verdict.batches;
        self.observations += verdict.observations;
        let (mut open, mut known) = (Vec::new(), std::collections::HashSet::new());
        for call in &history.operations {
            let What::Append { appends, outcome } = &call.what else { continue };
            let id = appends[0].ids[0];
            match outcome {
                Outcome::Acknowledged { .. } => {
                    if known.insert(id) {
                        self.acknowledged += appends.iter().map(|append| append.ids.len()).sum::<usize>();
                    }
                }
                Outcome::Conflict { .. } => {
                    known.insert(id);
                }
                Outcome::Unknown => open.push(id),
                Outcome::Refused => self.refused += 1,
            }
        }
        self.unknown += open.len();
        self.settled += open.iter().filter(|id| known.contains(id)).count();
        for violation in verdict.violations {
            *self.by_rule.entry(violation.rule).or_default() += 1;
            self.wrong.push(format!("{fault:?}: {:?}: {}", violation.rule, violation.what));
        }
        if open.iter().any(|id| !known.contains(id)) {
            self.wrong.push(format!("{fault:?}: an unknown outcome was not settled"));
        }
        self.log.extend(history.log.iter().cloned());
    }

    /// Everything again: nothing that was ever verified may have changed.
    pub(super) fn read_again(&mut self, log: &[Logged]) {
        self.observations += log.len();
        if self.log != log {
            let at = self.log.iter().zip(log).position(|(was, is)| was != is);
            *self.by_rule.entry(Rule::Phantom).or_default() += 1;
            self.wrong.push(format!("the log of {} is not what was verified, from {at:?}", log.len()));
        }
    }

    /// The same where each round has a log of its own: the next one begins anew.
    pub(super) fn read_again_of_round(&mut self, log: &[Logged]) {
        self.read_again(log);
        self.events += std::mem::take(&mut self.log).len();
    }

    /// How many violations there were of this rule.
    pub(super) fn of(&self, rule: Rule) -> usize {
        self.by_rule.get(&rule).copied().unwrap_or(0)
    }

    /// One line for each promise that was tried, named as the guarantees name it.
    pub(super) fn print(&self, kind: &str) {
        let Self { rounds, acknowledged, unknown, settled, refused, operations, .. } = self;
        let strikes: Vec<_> =
            self.strikes.iter().map(|(fault, times)| format!("{times} {fault:?}")).collect();
        println!("{kind}: {rounds} rounds: {}", strikes.join(", "));
        println!("{kind}: acknowledged events lost {} of {acknowledged}", self.of(Rule::Acknowledged));
        println!("{kind}: unknown outcomes settled by id {settled} of {unknown}; {refused} appends refused");
        println!(
            "{kind}: refused appends that are there after all {}; ids twice {} in {} events",
            self.of(Rule::Refused),
            self.of(Rule::Once),
            self.events + self.log.len()
        );
        println!(
            "no_phantoms: {} of {} observations vanished or changed",
            self.of(Rule::Phantom),
            self.observations
        );
        println!("torn_batches: {} of {} batches there in part", self.of(Rule::Whole), self.batches);
        println!(
            "gapless: {} gaps or swaps, {} wrong versions in {} events",
            self.of(Rule::Dense),
            self.of(Rule::Expected),
            self.events + self.log.len()
        );
        println!(
            "lin_append: {} violations of order over two stores in {operations} calls, {} conflicts",
            self.of(Rule::RealTime) + self.of(Rule::Backwards) + self.of(Rule::Slice),
            self.conflicts
        );
    }
}
