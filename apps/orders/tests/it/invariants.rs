//! What holds after any sequence of commands.

use gesta::{Aggregate, Event};
use orders::domain::{
    customer::{
        Address, Customer, CustomerCommand, CustomerEvent, CustomerStatus, CustomerTier, PaymentMethod,
        PaymentMethodType,
    },
    order::{Order, OrderCommand, OrderEvent, OrderItem, OrderStatus},
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::decided::{given, when};

fn id() -> impl Strategy<Value = Uuid> {
    (0_u128..4).prop_map(Uuid::from_u128)
}

fn items() -> impl Strategy<Value = Vec<OrderItem>> {
    prop::collection::vec(
        (id(), -1..4_i32).prop_map(|(product, quantity)| OrderItem::of(product, quantity)),
        0..3,
    )
}

fn order_command() -> impl Strategy<Value = OrderCommand> {
    prop_oneof![
        items().prop_map(|items| OrderCommand::CreateOrder { customer_id: Uuid::nil(), items }),
        items().prop_map(|items| OrderCommand::UpdateItems { items, reason: None }),
        Just(OrderCommand::ConfirmOrder),
        Just(OrderCommand::ShipOrder { tracking_number: "t".into(), carrier: "c".into() }),
        Just(OrderCommand::DeliverOrder { signature: None }),
        Just(OrderCommand::CancelOrder { reason: None, cancelled_by: None }),
    ]
}

fn customer_command() -> impl Strategy<Value = CustomerCommand> {
    use CustomerCommand as C;
    let text = "[a@]{0,2}";
    let address = |street: String| {
        let rest = String::new;
        Address { street, city: rest(), state: rest(), postal_code: rest(), country: rest() }
    };
    let method = |(id, is_default)| PaymentMethod {
        id,
        method_type: PaymentMethodType::BankAccount,
        last_four: "0000".into(),
        is_default,
    };
    let tier = prop::sample::select(vec![
        CustomerTier::Bronze,
        CustomerTier::Silver,
        CustomerTier::Gold,
        CustomerTier::Platinum,
    ]);
    prop_oneof![
        4 => (text, text, text).prop_map(|(email, first_name, last_name)| C::RegisterCustomer { email, first_name, last_name, phone: None }),
        1 => (prop::option::of(text), prop::option::of(text), prop::option::of(text))
            .prop_map(|(first_name, last_name, phone)| C::UpdateProfile { first_name, last_name, phone }),
        1 => text.prop_map(|new_email| C::ChangeEmail { new_email }),
        1 => text.prop_map(|new_phone| C::ChangePhone { new_phone }),
        3 => (id(), "[xy]", any::<bool>()).prop_map(move |(address_id, street, set_as_default)| C::AddAddress { address_id, address: address(street), set_as_default }),
        1 => (id(), "[xy]").prop_map(move |(address_id, street)| C::UpdateAddress { address_id, address: address(street) }),
        2 => id().prop_map(|address_id| C::RemoveAddress { address_id }),
        3 => (id(), any::<bool>()).prop_map(move |given| C::AddPaymentMethod { payment_method: method(given) }),
        2 => id().prop_map(|payment_method_id| C::RemovePaymentMethod { payment_method_id }),
        1 => tier.prop_map(|new_tier| C::UpgradeTier { new_tier }),
        1 => Just(C::Suspend { reason: "r".into() }),
        2 => Just(C::Reactivate { notes: None }),
        1 => Just(C::Deactivate { reason: "r".into() }),
    ]
}

/// Runs the commands, keeps what was accepted, and looks at every state.
fn run<A: Aggregate>(commands: &[A::Command], mut look: impl FnMut(&A, &A, &[A::Event])) -> Vec<A::Event> {
    let mut events: Vec<A::Event> = Vec::new();
    let mut before = A::default();
    for command in commands {
        let Ok(more) = when(&before, command) else { continue };
        events.extend(more.iter().cloned());
        let after = given::<A>(&events);
        look(&before, &after, &more);
        before = after;
    }
    events
}

fn rank(status: OrderStatus) -> usize {
    OrderStatus::ALL.iter().position(|known| *known == status).expect("a status")
}

proptest! {
    /// OR-09: an order has items of positive quantity, begins once, and never goes back.
    #[test]
    fn an_order_keeps_its_rules(commands in prop::collection::vec(order_command(), 0..24)) {
        let events = run::<Order>(&commands, |before, after, more| {
            let Some(order) = &after.0 else { return };
            assert!(!order.items.is_empty() && order.items.iter().all(|item| item.quantity > 0));
            if let Some(before) = &before.0 {
                assert!(rank(order.status) >= rank(before.status));
                assert_eq!((before.customer_id, before.created_at), (order.customer_id, order.created_at));
                let is_final = matches!(before.status, OrderStatus::Delivered | OrderStatus::Cancelled);
                assert!(!is_final || more.is_empty());
                assert!(before.items == order.items || before.status == OrderStatus::Created);
            }
        });
        let created = events.iter().filter(|event| matches!(event, OrderEvent::Created(_))).count();
        prop_assert!(created <= 1);
        prop_assert_eq!(given::<Order>(&events).0.map_or(0, |order| order.version.get()), events.len() as u64);
    }

    /// A command that was accepted and is given again is refused or changes nothing (OR-42, OR-43), but for those that
    /// go there and back.
    #[test]
    fn what_changed_an_order_does_not_change_it_twice(commands in prop::collection::vec(order_command(), 0..12)) {
        let events = run::<Order>(&commands, |_, _, _| {});
        let order = given::<Order>(&events);
        for command in &commands {
            let Ok(more) = when(&order, command) else { continue };
            let twice = given::<Order>(&[events.clone(), more].concat());
            prop_assert!(when(&twice, command).is_err() || when(&twice, command) == Ok(vec![]));
        }
    }

    /// A customer's defaults exist, at most one payment method is the default, tiers only rise, deactivated is final.
    #[test]
    fn a_customer_keeps_its_rules(commands in prop::collection::vec(customer_command(), 0..40)) {
        run::<Customer>(&commands, |before, after, more| {
            let Some(customer) = &after.0 else { return };
            assert!(customer.email.contains('@') && !customer.first_name.is_empty() && !customer.last_name.is_empty());
            assert!(customer.default_address_id.is_none_or(|id| customer.addresses.contains_key(&id)));
            let methods = &customer.payment_methods;
            assert!(methods.iter().filter(|method| method.is_default).count() <= 1);
            let mut ids: Vec<_> = methods.iter().map(|method| method.id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), methods.len());
            if let Some(before) = &before.0 {
                assert!(customer.tier >= before.tier);
                assert!(before.status != CustomerStatus::Deactivated || more.is_empty());
                let had_default = before.payment_methods.iter().any(|method| method.is_default);
                let has_default = methods.iter().any(|method| method.is_default);
                assert!(!had_default || has_default || methods.is_empty(), "the default stays while there are others");
            }
        });
    }

    /// The codec keeps every fact that the rules can produce.
    #[test]
    fn every_fact_survives_the_way_to_bytes_and_back(commands in prop::collection::vec(customer_command(), 0..30)) {
        for event in run::<Customer>(&commands, |_, _, _| {}) {
            let data = event.encode().expect("encodes");
            prop_assert_eq!(CustomerEvent::decode(event.kind(), &data).expect("decodes"), event);
        }
    }
}
