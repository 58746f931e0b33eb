//! From rows to commands: what to ask of each order, and when it really happened.

use std::collections::HashMap;

use gesta_core::Timestamp;
use uuid::{Uuid, uuid};

use super::file::{FileStatus, ItemFacts, OrderFacts, Row, UnreadableFile};
use crate::domain::order::{OrderCommand, OrderItem};

/// What the ids of imported commands are made in. Never changes: a second import must make the same ids.
const NAMESPACE: Uuid = uuid!("b7a1c9c2-6e5e-5a0b-8f43-0c2d5f0b7e66");

/// The commands of one order, in the order of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) order_id: Uuid,
    /// The line of the order's first row.
    pub(super) line: u64,
    pub(super) steps: Vec<Step>,
    /// Whether a later step happened before an earlier one by the times of the file.
    pub(super) runs_backwards: bool,
}

/// One command at its real time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) id: Uuid,
    pub(super) name: &'static str,
    pub(super) command: OrderCommand,
    pub(super) at: Timestamp,
    /// Whether the file lacks the time, so that the one of the step before is used.
    pub(super) without_time: bool,
}

/// The plans of all orders, by the time of their purchase.
pub(super) fn plans(rows: &[Row]) -> Result<Vec<Plan>, UnreadableFile> {
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let mut orders: Vec<(&Row, Vec<ItemFacts>)> = Vec::new();
    for row in rows {
        let at = *places.entry(row.order.order_id).or_insert_with(|| {
            orders.push((row, Vec::new()));
            orders.len() - 1
        });
        let (first, items) = &mut orders[at];
        let twice = items.iter().any(|item| item.number == row.item.number);
        if first.order != row.order || twice {
            let (line, first, order_id) = (row.line, first.line, row.order.order_id);
            return Err(UnreadableFile::Contradiction { line, first, order_id });
        }
        items.push(row.item);
    }
    let mut plans: Vec<Plan> = orders.iter().map(|(row, items)| plan(row, items)).collect();
    plans.sort_by_key(|plan| plan.steps.first().map(|step| step.at));
    Ok(plans)
}

fn plan(row: &Row, items: &[ItemFacts]) -> Plan {
    let facts = &row.order;
    let create = OrderCommand::CreateOrder { customer_id: facts.customer_id, items: grouped(items) };
    let mut steps = Steps { order_id: facts.order_id, last: facts.purchased_at, steps: Vec::new() };
    steps.push("create", create, Some(facts.purchased_at));
    if facts.approved_at.is_some() || has_reached(facts, Reached::Confirmed) {
        steps.push("confirm", OrderCommand::ConfirmOrder, facts.approved_at);
    }
    if facts.handed_over_at.is_some() || has_reached(facts, Reached::Shipped) {
        steps.push("ship", ship(facts.order_id), facts.handed_over_at);
    }
    if facts.delivered_at.is_some() || has_reached(facts, Reached::Delivered) {
        steps.push("deliver", OrderCommand::DeliverOrder { signature: None }, facts.delivered_at);
    }
    if let Some(reason) = given_up(facts.status) {
        let cancel = OrderCommand::CancelOrder { reason: Some(reason.to_owned()), cancelled_by: None };
        steps.push("cancel", cancel, None);
    }
    let steps = steps.steps;
    let runs_backwards = steps.windows(2).any(|pair| pair[1].at < pair[0].at);
    Plan { order_id: facts.order_id, line: row.line, steps, runs_backwards }
}

struct Steps {
    order_id: Uuid,
    last: Timestamp,
    steps: Vec<Step>,
}

impl Steps {
    fn push(&mut self, name: &'static str, command: OrderCommand, at: Option<Timestamp>) {
        let id = Uuid::new_v5(&NAMESPACE, format!("{}/{name}", self.order_id).as_bytes());
        self.last = at.unwrap_or(self.last);
        self.steps.push(Step { id, name, command, at: self.last, without_time: at.is_none() });
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Confirmed,
    Shipped,
    Delivered,
}

/// Whether the final status implies a step, with or without its time.
fn has_reached(facts: &OrderFacts, step: Reached) -> bool {
    let reached = match facts.status {
        FileStatus::Created | FileStatus::Unavailable | FileStatus::Canceled => return false,
        FileStatus::Approved | FileStatus::Invoiced | FileStatus::Processing => Reached::Confirmed,
        FileStatus::Shipped => Reached::Shipped,
        FileStatus::Delivered => Reached::Delivered,
    };
    step <= reached
}

fn given_up(status: FileStatus) -> Option<&'static str> {
    match status {
        FileStatus::Canceled => Some("canceled"),
        FileStatus::Unavailable => Some("unavailable"),
        _ => None,
    }
}

/// The file knows neither carrier nor parcel number, so both say where they come from.
fn ship(order_id: Uuid) -> OrderCommand {
    OrderCommand::ShipOrder {
        tracking_number: format!("IMPORT-{order_id}"),
        carrier: "not in the file".to_owned(),
    }
}

/// Rows of the same product at the same amounts become one item of that many.
fn grouped(items: &[ItemFacts]) -> Vec<OrderItem> {
    let mut grouped: Vec<OrderItem> = Vec::new();
    for item in items {
        let (price, freight) = (Some(item.price_cents), Some(item.freight_cents));
        let same = |known: &&mut OrderItem| {
            known.product_id == item.product_id
                && known.unit_price_cents == price
                && known.unit_freight_cents == freight
        };
        match grouped.iter_mut().find(same) {
            Some(known) => known.quantity = known.quantity.saturating_add(1),
            None => grouped.push(OrderItem {
                unit_price_cents: price,
                unit_freight_cents: freight,
                ..OrderItem::of(item.product_id, 1)
            }),
        }
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn row(line: u64, status: FileStatus, times: [Option<i64>; 3], item: ItemFacts) -> Row {
        let [approved_at, handed_over_at, delivered_at] = times.map(|second| second.map(time));
        let order = OrderFacts {
            order_id: Uuid::from_u128(1),
            customer_id: Uuid::from_u128(2),
            status,
            purchased_at: time(10),
            approved_at,
            handed_over_at,
            delivered_at,
        };
        Row { line, order, item }
    }

    fn item(number: u32, product: u128, price_cents: i64) -> ItemFacts {
        ItemFacts { number, product_id: Uuid::from_u128(product), price_cents, freight_cents: 1 }
    }

    fn steps(status: FileStatus, times: [Option<i64>; 3]) -> Vec<(&'static str, i64, bool)> {
        let plan = plan(&row(2, status, times, item(1, 3, 5)), &[item(1, 3, 5)]);
        plan.steps.iter().map(|s| (s.name, s.at.as_micros() / 1_000_000, s.without_time)).collect()
    }

    #[test]
    fn a_delivered_order_takes_every_step_at_its_time() {
        let want =
            [("create", 10, false), ("confirm", 20, false), ("ship", 30, false), ("deliver", 40, false)];
        assert_eq!(steps(FileStatus::Delivered, [Some(20), Some(30), Some(40)]), want);
    }

    #[test]
    fn a_missing_time_is_that_of_the_step_before_and_said() {
        let want = [("create", 10, false), ("confirm", 10, true), ("ship", 30, false), ("deliver", 30, true)];
        assert_eq!(steps(FileStatus::Delivered, [None, Some(30), None]), want);
    }

    #[test]
    fn an_order_given_up_is_cancelled_after_what_it_reached() {
        let want = [("create", 10, false), ("confirm", 20, false), ("cancel", 20, true)];
        assert_eq!(steps(FileStatus::Canceled, [Some(20), None, None]), want);
        assert_eq!(steps(FileStatus::Unavailable, [None; 3]), [("create", 10, false), ("cancel", 10, true)]);
        assert_eq!(steps(FileStatus::Created, [None; 3]), [("create", 10, false)]);
    }

    #[test]
    fn rows_of_one_product_become_one_item_unless_they_cost_differently() {
        let rows = [item(1, 3, 5), item(2, 3, 5), item(3, 3, 6), item(4, 4, 5)];
        let found: Vec<_> = grouped(&rows).iter().map(|i| (i.quantity, i.unit_price_cents)).collect();
        assert_eq!(found, [(2, Some(5)), (1, Some(6)), (1, Some(5))]);
    }

    #[test]
    fn rows_that_contradict_each_other_are_refused() {
        let first = row(2, FileStatus::Shipped, [None; 3], item(1, 3, 5));
        let other = row(3, FileStatus::Canceled, [None; 3], item(2, 3, 5));
        let again = row(4, FileStatus::Shipped, [None; 3], item(1, 3, 5));
        for second in [other, again] {
            let refused = plans(&[first.clone(), second.clone()]);
            assert!(
                matches!(refused, Err(UnreadableFile::Contradiction { line, first: 2, .. }) if line == second.line)
            );
        }
    }

    /// Retries cross releases: these ids are an interface.
    #[test]
    fn the_ids_of_commands_never_change() {
        let plan = plan(&row(2, FileStatus::Created, [None; 3], item(1, 3, 5)), &[]);
        assert_eq!(plan.steps[0].id.to_string(), "7d09affb-c7a4-5b0e-ab9c-540923dcc94c");
    }
}
