//! What an import did, for people and for programs.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::{Became, Outcome, Totals, by_code, plan::Plan, totals};

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Rows of the file.
    pub rows: usize,
    /// Commands sent.
    pub sent: usize,
    /// Commands that took effect now.
    pub accepted: usize,
    /// Commands that an earlier import had sent: they took effect then.
    pub repeated: usize,
    /// Commands that the rules refused.
    pub refused: Vec<RefusedCommand>,
    /// Steps whose time is missing in the file, as `confirm of <order>`; the time of the step before was taken.
    pub without_time: Vec<String>,
    /// Orders in which a later step happened before an earlier one by the times of the file; they were sent in the
    /// order of an order's life.
    pub run_backwards: Vec<Uuid>,
    /// The sums of the file.
    pub file: Totals,
    /// The same sums as the read models tell them.
    pub read_models: Totals,
}

/// A command that the rules refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedCommand {
    /// Which order.
    pub order_id: Uuid,
    /// The line of the order's first row.
    pub line: u64,
    /// Which command.
    pub command: &'static str,
    /// The rule's code.
    pub code: &'static str,
    /// What the rule says.
    pub reason: String,
}

impl ImportReport {
    pub(super) fn of(plans: &[Plan], rows: usize) -> Self {
        let steps = plans.iter().flat_map(|plan| plan.steps.iter().map(move |step| (plan, step)));
        let without_time = steps.filter(|(_, step)| step.without_time);
        Self {
            rows,
            sent: 0,
            accepted: 0,
            repeated: 0,
            refused: Vec::new(),
            without_time: without_time
                .map(|(plan, step)| format!("{} of {}", step.name, plan.order_id))
                .collect(),
            run_backwards: plans
                .iter()
                .filter(|plan| plan.runs_backwards)
                .map(|plan| plan.order_id)
                .collect(),
            file: totals::of_file(plans),
            read_models: Totals::default(),
        }
    }

    pub(super) fn take(&mut self, outcomes: Vec<Outcome<'_>>) {
        for Outcome { plan, step, became } in outcomes {
            self.sent += 1;
            match became {
                Became::Accepted => self.accepted += 1,
                Became::Repeated => self.repeated += 1,
                Became::Refused(refused) => self.refused.push(RefusedCommand::of(plan, step, &refused)),
            }
        }
    }

    /// Whether the read models come to the same sums as the file. They do unless the rules refused something, or the
    /// orders went on after they were imported.
    pub fn agrees(&self) -> bool {
        self.file == self.read_models
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, sent, accepted, repeated, .. } = self;
        writeln!(f, "{} orders of {rows} rows", self.file.orders)?;
        writeln!(
            f,
            "{sent} commands sent: {accepted} accepted, {repeated} known from before, {} refused",
            self.refused.len()
        )?;
        for (code, count) in by_code(&self.refused) {
            writeln!(f, "  {code}: {count}")?;
        }
        for RefusedCommand { order_id, line, command, reason, .. } in &self.refused {
            writeln!(f, "  line {line}: {command} of {order_id}: {reason}")?;
        }
        writeln!(
            f,
            "{} steps have no time of their own, {} orders run backwards",
            self.without_time.len(),
            self.run_backwards.len()
        )?;
        writeln!(f, "file:        {}", Sums(&self.file))?;
        writeln!(f, "read models: {}", Sums(&self.read_models))?;
        let verdict = if self.agrees() { "they agree" } else { "they differ" };
        write!(f, "{verdict}")
    }
}

/// Cents as people write them. The sign is written once, also of less than one.
fn money(cents: i128) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

struct Sums<'a>(&'a Totals);

impl fmt::Display for Sums<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { orders, quantity, price_cents, freight_cents, by_status, by_customer } = self.0;
        write!(f, "{orders} orders of {} customers, {quantity} things, ", by_customer.len())?;
        write!(f, "{} and {} freight", money(*price_cents), money(*freight_cents))?;
        by_status.iter().try_for_each(|(status, count)| write!(f, ", {status} {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn a_sum_has_one_sign() {
        assert_eq!([-125, -25, 0, 5, 125].map(money), ["-1.25", "-0.25", "0.00", "0.05", "1.25"]);
    }
}
