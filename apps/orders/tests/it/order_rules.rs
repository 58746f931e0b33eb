//! Every rule of an order (OR-09, domains of the reference applications: order).

use gesta::{Rejection, scenario};
use gesta_core::Timestamp;
use orders::domain::order::{
    Order, OrderCancelled, OrderCommand, OrderConfirmed, OrderCreated, OrderDelivered, OrderEvent, OrderItem,
    OrderItemsUpdated, OrderRejection, OrderShipped, OrderStatus, PlacedOrder,
};
use uuid::Uuid;

use crate::decided::{ID, given, second, stored, table, when};

const CUSTOMER: Uuid = Uuid::from_u128(7);

fn items() -> Vec<OrderItem> {
    vec![OrderItem::of(Uuid::from_u128(1), 2), OrderItem::of(Uuid::from_u128(2), 1)]
}

fn other_items() -> Vec<OrderItem> {
    vec![OrderItem::of(Uuid::from_u128(3), 5)]
}

fn created() -> OrderEvent {
    OrderEvent::Created(OrderCreated { customer_id: CUSTOMER, items: items() })
}

fn confirmed(at: Timestamp) -> OrderEvent {
    OrderEvent::Confirmed(OrderConfirmed { confirmed_at: at })
}

fn shipped(at: Timestamp) -> OrderEvent {
    let (tracking_number, carrier) = ("TRACK123".into(), "DHL".into());
    OrderEvent::Shipped(OrderShipped { tracking_number, carrier, shipped_at: at })
}

fn delivered(at: Timestamp) -> OrderEvent {
    OrderEvent::Delivered(OrderDelivered { delivered_at: at, signature: Some("Ada".into()) })
}

fn cancelled() -> OrderEvent {
    OrderEvent::Cancelled(OrderCancelled { reason: Some("too late".into()), cancelled_by: None })
}

/// The shortest life that leads to a status.
fn life(status: OrderStatus) -> Vec<OrderEvent> {
    let whole = [created(), confirmed(second(2)), shipped(second(3)), delivered(second(4))];
    match status {
        OrderStatus::Created => whole[..1].to_vec(),
        OrderStatus::Confirmed => whole[..2].to_vec(),
        OrderStatus::Shipped => whole[..3].to_vec(),
        OrderStatus::Delivered => whole.to_vec(),
        OrderStatus::Cancelled => vec![created(), cancelled()],
    }
}

fn placed(status: OrderStatus) -> PlacedOrder {
    given::<Order>(&life(status)).0.expect("it was placed")
}

fn commands() -> [OrderCommand; 6] {
    [
        OrderCommand::CreateOrder { customer_id: CUSTOMER, items: items() },
        OrderCommand::UpdateItems { items: other_items(), reason: Some("more".into()) },
        OrderCommand::ConfirmOrder,
        OrderCommand::ShipOrder { tracking_number: "TRACK123".into(), carrier: "DHL".into() },
        OrderCommand::DeliverOrder { signature: Some("Ada".into()) },
        OrderCommand::CancelOrder { reason: Some("too late".into()), cancelled_by: None },
    ]
}

#[test]
fn an_order_goes_from_created_to_delivered_and_no_further() {
    let [create, update, confirm, ship, deliver, cancel] = commands();
    scenario::of::<Order>()
        .with_id(ID)
        .at(second(1))
        .when(create)
        .then([created()])
        .at(second(2))
        .when(confirm.clone())
        .then([confirmed(second(2))])
        .when(update)
        .then_rejected("InvalidStatusTransition")
        .at(second(3))
        .when(ship)
        .then([shipped(second(3))])
        .at(second(4))
        .when(deliver)
        .then([delivered(second(4))])
        .then_state(Order(Some(placed(OrderStatus::Delivered))))
        .when(cancel)
        .then_rejected("InvalidStatusTransition")
        .when(confirm)
        .then_rejected("InvalidStatusTransition");
}

/// What every command comes to in every status (none, created, confirmed, shipped, delivered, cancelled): the event, or
/// the code of the refusal.
#[test]
fn every_command_in_every_status_comes_to_what_the_table_says() {
    let lives: Vec<_> = std::iter::once(vec![]).chain(OrderStatus::ALL.map(life)).collect();
    insta::assert_snapshot!(table::<Order>(&lives, &commands()), @r"
    CreateOrder          OrderCreated | AlreadyExists | AlreadyExists | AlreadyExists | AlreadyExists | AlreadyExists
    UpdateItems          NotInitialized | OrderItemsUpdated | InvalidStatusTransition | InvalidStatusTransition | InvalidStatusTransition | AlreadyCancelled
    ConfirmOrder         NotInitialized | OrderConfirmed | AlreadyConfirmed | InvalidStatusTransition | InvalidStatusTransition | InvalidStatusTransition
    ShipOrder            NotInitialized | NotConfirmed | OrderShipped | InvalidStatusTransition | InvalidStatusTransition | InvalidStatusTransition
    DeliverOrder         NotInitialized | NotShipped | NotShipped | OrderDelivered | NotShipped | NotShipped
    CancelOrder          NotInitialized | OrderCancelled | OrderCancelled | OrderCancelled | InvalidStatusTransition | AlreadyCancelled
    ");
}

#[test]
fn a_refusal_names_the_expected_and_the_actual_status() {
    use OrderStatus::{Cancelled, Confirmed, Created, Delivered, Shipped};
    for (status, command, expected, actual) in [
        (Cancelled, 1, &[Created][..], Cancelled),
        (Shipped, 1, &[Created], Shipped),
        (Confirmed, 2, &[Created], Confirmed),
        (Created, 3, &[Confirmed], Created),
        (Delivered, 3, &[Confirmed], Delivered),
        (Confirmed, 4, &[Shipped], Confirmed),
        (Delivered, 5, &[Created, Confirmed, Shipped], Delivered),
        (Cancelled, 5, &[Created, Confirmed, Shipped], Cancelled),
    ] {
        let refused = when(&given::<Order>(&life(status)), &commands()[command]).unwrap_err();
        assert_eq!((refused.expected(), refused.actual()), (expected, Some(actual)), "{refused}");
    }
}

#[test]
fn items_are_needed_and_every_quantity_is_above_zero() {
    let order = given::<Order>(&[created()]);
    for (items, refused) in [
        (vec![], OrderRejection::EmptyItems),
        (vec![OrderItem::of(Uuid::nil(), 0)], OrderRejection::InvalidQuantity { actual: 0 }),
        (
            vec![OrderItem::of(Uuid::nil(), 1), OrderItem::of(Uuid::nil(), -3)],
            OrderRejection::InvalidQuantity { actual: -3 },
        ),
        (vec![OrderItem::of(Uuid::nil(), i32::MIN)], OrderRejection::InvalidQuantity { actual: i32::MIN }),
    ] {
        let create = OrderCommand::CreateOrder { customer_id: CUSTOMER, items: items.clone() };
        assert_eq!(when(&Order::default(), &create), Err(refused.clone()));
        assert_eq!(when(&order, &OrderCommand::UpdateItems { items, reason: None }), Err(refused));
    }
}

#[test]
fn a_status_that_forbids_a_change_comes_before_what_is_wrong_with_it() {
    let update = OrderCommand::UpdateItems { items: vec![], reason: None };
    let refused = when(&given::<Order>(&life(OrderStatus::Shipped)), &update).unwrap_err();
    assert_eq!(refused.code(), "InvalidStatusTransition");
}

/// OR-43.
#[test]
fn equal_items_are_no_change() {
    let update = OrderCommand::UpdateItems { items: items(), reason: Some("again".into()) };
    assert_eq!(when(&given::<Order>(&[created()]), &update), Ok(vec![]));
}

#[test]
fn an_event_carries_what_the_command_said_and_its_time() {
    let at = second(100);
    for (status, command, event) in [
        (OrderStatus::Created, 1, {
            let reason = Some("more".into());
            OrderEvent::ItemsUpdated(OrderItemsUpdated { items: other_items(), reason })
        }),
        (OrderStatus::Created, 2, confirmed(at)),
        (OrderStatus::Confirmed, 3, shipped(at)),
        (OrderStatus::Shipped, 4, delivered(at)),
        (OrderStatus::Shipped, 5, cancelled()),
    ] {
        assert_eq!(when(&given::<Order>(&life(status)), &commands()[command]), Ok(vec![event]));
    }
}

/// OR-41: id and times come from the events.
#[test]
fn a_state_is_what_its_events_say() {
    let order = placed(OrderStatus::Shipped);
    assert_eq!((order.id.as_str(), order.version.get(), order.customer_id), (ID, 3, CUSTOMER));
    assert_eq!((order.status, &order.items), (OrderStatus::Shipped, &items()));
    assert_eq!((order.created_at, order.updated_at), (second(1), second(3)));
    assert_eq!((order.tracking_number.as_deref(), order.carrier.as_deref()), (Some("TRACK123"), Some("DHL")));
    assert_eq!(placed(OrderStatus::Cancelled).cancelled_reason.as_deref(), Some("too late"));
    assert_eq!(placed(OrderStatus::Delivered), placed(OrderStatus::Delivered));
}

#[test]
fn what_was_never_placed_is_no_order() {
    let stray = given::<Order>(&[confirmed(second(1))]);
    assert_eq!(stray, Order::default());
}

/// The stored form is the product's promise to other readers.
#[test]
fn events_are_stored_under_their_names_with_their_fields() {
    let bare = OrderEvent::Cancelled(OrderCancelled { reason: None, cancelled_by: None });
    insta::assert_snapshot!(stored(life(OrderStatus::Delivered).into_iter().chain([cancelled(), bare])));
}
