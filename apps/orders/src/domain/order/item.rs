//! What is ordered, and what it costs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::OrderRejection;

/// A product and how many of it. The two amounts are Gesta's addition: an item without them costs nothing that is
/// known, and is written without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderItem {
    /// The product.
    pub product_id: Uuid,
    /// How many, at least one.
    pub quantity: i32,
    /// The price of one, in cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price_cents: Option<i64>,
    /// The freight of one, in cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_freight_cents: Option<i64>,
}

impl OrderItem {
    /// So many of a product, without amounts.
    pub const fn of(product_id: Uuid, quantity: i32) -> Self {
        Self { product_id, quantity, unit_price_cents: None, unit_freight_cents: None }
    }

    /// What it costs with its freight, in cents; `None` beyond what can be counted.
    pub fn total_cents(&self) -> Option<i64> {
        let unit = self.unit_price_cents.unwrap_or(0).checked_add(self.unit_freight_cents.unwrap_or(0))?;
        unit.checked_mul(i64::from(self.quantity))
    }
}

/// What these items cost with their freight, in cents; `None` beyond what can be counted.
pub(crate) fn total_cents(items: &[OrderItem]) -> Option<i64> {
    items.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.total_cents()?))
}

/// At least one item, every quantity above zero, no amount below zero, a sum that can be counted.
pub(super) fn check_items(items: &[OrderItem]) -> Result<(), OrderRejection> {
    if items.is_empty() {
        return Err(OrderRejection::EmptyItems);
    }
    for item in items {
        if item.quantity <= 0 {
            return Err(OrderRejection::InvalidQuantity { actual: item.quantity });
        }
        let amounts = [item.unit_price_cents, item.unit_freight_cents];
        if let Some(actual) = amounts.into_iter().flatten().find(|cents| *cents < 0) {
            return Err(OrderRejection::InvalidAmount { actual });
        }
    }
    total_cents(items).map(drop).ok_or(OrderRejection::TotalTooLarge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(quantity: i32, price: i64, freight: i64) -> OrderItem {
        let amounts = (Some(price), Some(freight));
        OrderItem {
            unit_price_cents: amounts.0,
            unit_freight_cents: amounts.1,
            ..OrderItem::of(Uuid::nil(), quantity)
        }
    }

    #[test]
    fn a_total_beyond_what_can_be_counted_is_refused() {
        let most = item(1, i64::MAX, 0);
        assert_eq!(check_items(&[most]), Ok(()));
        for items in [vec![item(1, i64::MAX, 1)], vec![item(2, i64::MAX, 0)], vec![most, item(1, 1, 0)]] {
            assert_eq!(check_items(&items), Err(OrderRejection::TotalTooLarge));
        }
    }

    #[test]
    fn an_item_without_amounts_is_written_as_it_always_was() {
        let json = serde_json::to_string(&OrderItem::of(Uuid::nil(), 2)).unwrap();
        assert_eq!(json, r#"{"product_id":"00000000-0000-0000-0000-000000000000","quantity":2}"#);
    }

    proptest! {
        /// The sum is that of wider numbers, or is refused.
        #[test]
        fn a_total_never_wraps(items in prop::collection::vec((1..i32::MAX, 0..i64::MAX, 0..i64::MAX), 1..5)) {
            let items: Vec<_> = items.into_iter().map(|(q, p, f)| item(q, p, f)).collect();
            let wide = |item: &OrderItem| {
                let unit = item.unit_price_cents.unwrap_or(0) as i128 + item.unit_freight_cents.unwrap_or(0) as i128;
                unit * i128::from(item.quantity)
            };
            let sum: i128 = items.iter().map(wide).sum();
            prop_assert_eq!(total_cents(&items), i64::try_from(sum).ok());
        }
    }
}
