//! Figures with their denominators.

use std::{collections::BTreeMap, time::Duration};

use gesta_conformance::history::Rule;

/// What a run counted, and what it found wrong.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) rounds: usize,
    pub(super) events: usize,
    pub(super) operations: usize,
    pub(super) acknowledged: usize,
    pub(super) unknown: usize,
    pub(super) conflicts: usize,
    pub(super) batches: usize,
    pub(super) observations: usize,
    pub(super) relaxed: usize,
    pub(super) relaxed_lost: usize,
    pub(super) connections: usize,
    pub(super) delivered: usize,
    pub(super) group_delivered: usize,
    pub(super) group_again: usize,
    pub(super) group_events: usize,
    pub(super) group_lost: usize,
    pub(super) slowest_start: Duration,
    by_rule: BTreeMap<Rule, usize>,
    /// What is wrong, in words.
    pub(super) wrong: Vec<String>,
}

impl Figures {
    pub(super) fn violated(&mut self, rule: Rule, what: String) {
        *self.by_rule.entry(rule).or_default() += 1;
        self.wrong.push(format!("{rule:?}: {what}"));
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// How many violations there were of this rule.
    pub(super) fn of(&self, rule: Rule) -> usize {
        self.by_rule.get(&rule).copied().unwrap_or(0)
    }

    /// One line for each promise that was tried, named as the guarantees name it.
    pub(super) fn print(&self, kind: &str) {
        let Self { rounds, events, operations, acknowledged, batches, observations, .. } = self;
        println!(
            "{kind}: acknowledged events lost {} of {acknowledged} in {rounds} rounds",
            self.of(Rule::Acknowledged)
        );
        println!(
            "{kind}: relaxed events lost {} of {} acknowledged, as they may be; read before they were durable: {}",
            self.relaxed_lost,
            self.relaxed,
            self.of(Rule::Phantom)
        );
        println!(
            "no_phantoms: {} of {observations} observations vanished or changed",
            self.of(Rule::Phantom)
        );
        println!("torn_batches: {} of {batches} batches there in part", self.of(Rule::Whole));
        println!(
            "gapless: {} gaps or swaps, {} ids twice, {} wrong versions in {events} events",
            self.of(Rule::Dense),
            self.of(Rule::Once),
            self.of(Rule::Expected)
        );
        println!(
            "lin_append: {} violations of order in {operations} calls, {} of unknown outcome, {} conflicts",
            self.of(Rule::RealTime) + self.of(Rule::Backwards) + self.of(Rule::Refused),
            self.unknown,
            self.conflicts
        );
        println!(
            "sub_churn: {} missing or out of order in {} deliveries over {} connections",
            self.of(Rule::Slice),
            self.delivered,
            self.connections
        );
        if self.group_events > 0 {
            println!(
                "{kind}: group: {} of {} events lost, {} of {} deliveries came again after an answered acknowledgement{}",
                self.group_lost,
                self.group_events,
                self.group_again,
                self.group_delivered,
                if kind == "powercut" { ", as they may after a power cut" } else { "" }
            );
        }
        println!("{kind}: slowest start after a crash {:.3} s of {rounds}", self.slowest_start.as_secs_f64());
    }

    /// Whether nothing is wrong; the first findings in words otherwise.
    pub(super) fn verdict(&self) -> Result<(), String> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let first: Vec<_> = self.wrong.iter().take(8).map(String::as_str).collect();
        Err(format!("{} findings:\n  {}", self.wrong.len(), first.join("\n  ")))
    }
}
