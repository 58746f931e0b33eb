//! Every rule of a customer (domains of the reference applications: customer).

use gesta::Rejection;
use orders::domain::customer::{
    Address, AddressAdded, Customer, CustomerCommand as Command, CustomerEvent, CustomerRegistered,
    CustomerRejection, CustomerStatus, CustomerTier, PaymentMethod, PaymentMethodAdded, PaymentMethodType,
    Reasoned, RegisteredCustomer,
};
use uuid::Uuid;

use crate::decided::{ID, given, second, stored, table, when};

fn registered() -> CustomerEvent {
    CustomerEvent::Registered(CustomerRegistered {
        email: "ada@example.org".into(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        phone: None,
    })
}

fn suspended() -> CustomerEvent {
    CustomerEvent::Suspended(Reasoned { reason: "unpaid".into() })
}

fn deactivated() -> CustomerEvent {
    CustomerEvent::Deactivated(Reasoned { reason: "gone".into() })
}

fn address(street: &str) -> Address {
    Address {
        street: street.into(),
        city: "London".into(),
        state: "LND".into(),
        postal_code: "W1".into(),
        country: "GB".into(),
    }
}

fn with_address(id: u128, is_default: bool) -> CustomerEvent {
    let (address_id, address) = (Uuid::from_u128(id), address("St James's Square"));
    CustomerEvent::AddressAdded(AddressAdded { address_id, address, is_default })
}

fn method(id: u128, is_default: bool) -> PaymentMethod {
    let (method_type, last_four) = (PaymentMethodType::CreditCard, "4242".to_owned());
    PaymentMethod { id: Uuid::from_u128(id), method_type, last_four, is_default }
}

fn with_method(id: u128, is_default: bool) -> CustomerEvent {
    CustomerEvent::PaymentMethodAdded(PaymentMethodAdded { payment_method: method(id, is_default) })
}

fn state(events: &[CustomerEvent]) -> RegisteredCustomer {
    given::<Customer>(events).0.expect("it was registered")
}

/// The events of a command, folded behind what was given; or the code of the refusal.
fn then(events: &[CustomerEvent], command: &Command) -> Result<RegisteredCustomer, &'static str> {
    let more = when(&given::<Customer>(events), command).map_err(|refused| refused.code())?;
    Ok(state(&[events, &more].concat()))
}

fn register(first: &str, last: &str, email: &str) -> Command {
    let (email, first_name, last_name) = (email.into(), first.into(), last.into());
    Command::RegisterCustomer { email, first_name, last_name, phone: None }
}

fn all_but_register() -> Vec<Command> {
    vec![
        Command::UpdateProfile { first_name: Some("Augusta".into()), last_name: None, phone: None },
        Command::ChangeEmail { new_email: "augusta@example.org".into() },
        Command::ChangePhone { new_phone: "1815".into() },
        Command::AddAddress { address_id: Uuid::from_u128(9), address: address("x"), set_as_default: false },
        Command::UpdateAddress { address_id: Uuid::from_u128(1), address: address("x") },
        Command::RemoveAddress { address_id: Uuid::from_u128(1) },
        Command::AddPaymentMethod { payment_method: method(9, false) },
        Command::RemovePaymentMethod { payment_method_id: Uuid::from_u128(1) },
        Command::UpgradeTier { new_tier: CustomerTier::Gold },
        Command::Suspend { reason: "unpaid".into() },
        Command::Reactivate { notes: Some("paid".into()) },
        Command::Deactivate { reason: "gone".into() },
    ]
}

/// What every command comes to in every status (none, active, suspended, deactivated): the event, or the code of the
/// refusal.
#[test]
fn every_command_in_every_status_comes_to_what_the_table_says() {
    let active = vec![registered(), with_address(1, true), with_method(1, true)];
    let lives = [
        vec![],
        active.clone(),
        [active.clone(), vec![suspended()]].concat(),
        [active, vec![deactivated()]].concat(),
    ];
    let commands = [vec![register("A", "L", "a@l")], all_but_register()].concat();
    insta::assert_snapshot!(table::<Customer>(&lives, &commands), @r"
    RegisterCustomer     CustomerRegistered | AlreadyExists | AlreadyExists | AlreadyExists
    UpdateProfile        NotInitialized | CustomerProfileUpdated | NotActive | NotActive
    ChangeEmail          NotInitialized | CustomerEmailChanged | NotActive | NotActive
    ChangePhone          NotInitialized | CustomerPhoneChanged | NotActive | NotActive
    AddAddress           NotInitialized | CustomerAddressAdded | NotActive | NotActive
    UpdateAddress        NotInitialized | CustomerAddressUpdated | NotActive | NotActive
    RemoveAddress        NotInitialized | CustomerAddressRemoved | NotActive | NotActive
    AddPaymentMethod     NotInitialized | CustomerPaymentMethodAdded | NotActive | NotActive
    RemovePaymentMethod  NotInitialized | CustomerPaymentMethodRemoved | NotActive | NotActive
    UpgradeTier          NotInitialized | CustomerTierUpgraded | NotActive | NotActive
    Suspend              NotInitialized | CustomerSuspended | AlreadySuspended | AlreadyDeactivated
    Reactivate           NotInitialized | NotSuspended | CustomerReactivated | NotSuspended
    Deactivate           NotInitialized | CustomerDeactivated | CustomerDeactivated | AlreadyDeactivated
    ");
}

#[test]
fn a_customer_begins_active_and_bronze() {
    let customer = then(&[], &register("Ada", "Lovelace", "ada@example.org")).unwrap();
    assert_eq!((customer.id.as_str(), customer.version.get()), (ID, 1));
    assert_eq!((customer.status, customer.tier), (CustomerStatus::Active, CustomerTier::Bronze));
    assert_eq!((customer.created_at, customer.updated_at), (second(1), second(1)));
}

#[test]
fn names_are_looked_at_first_then_the_address_then_whether_it_exists() {
    for (command, code) in [
        (register("", "", ""), "EmptyFirstName"),
        (register(" ", "L", "a@l"), "EmptyFirstName"),
        (register("A", "", ""), "EmptyLastName"),
        (register("A", "L", ""), "EmptyEmail"),
        (register("A", "L", "al"), "InvalidEmail"),
    ] {
        assert_eq!(then(&[], &command), Err(code));
        assert_eq!(then(&[registered()], &command), Err(code), "also for a customer that exists");
    }
    assert_eq!(then(&[registered()], &register("A", "L", "a@l")), Err("AlreadyExists"));
}

#[test]
fn a_profile_keeps_what_is_not_given_and_takes_no_empty_name() {
    let update = |first: Option<&str>, last: Option<&str>, phone: Option<&str>| Command::UpdateProfile {
        first_name: first.map(Into::into),
        last_name: last.map(Into::into),
        phone: phone.map(Into::into),
    };
    let customer = then(&[registered()], &update(None, Some("King"), Some("1815"))).unwrap();
    let names = (customer.first_name.as_str(), customer.last_name.as_str(), customer.phone.as_deref());
    assert_eq!(names, ("Ada", "King", Some("1815")));
    assert_eq!(then(&[registered()], &update(Some(""), None, None)), Err("EmptyFirstName"));
    assert_eq!(then(&[registered()], &update(None, Some(" "), None)), Err("EmptyLastName"));
    for same in [update(None, None, None), update(Some("Ada"), Some("Lovelace"), None)] {
        assert_eq!(when(&given::<Customer>(&[registered()]), &same), Ok(vec![]), "no change, no event");
    }
}

#[test]
fn an_email_is_valid_and_the_same_one_is_no_change() {
    let change = |email: &str| Command::ChangeEmail { new_email: email.into() };
    assert_eq!(then(&[registered()], &change("")), Err("EmptyEmail"));
    assert_eq!(then(&[registered()], &change("ada")), Err("InvalidEmail"));
    assert_eq!(when(&given::<Customer>(&[registered()]), &change("ada@example.org")), Ok(vec![]));
    assert_eq!(then(&[registered()], &change("a@l")).unwrap().email, "a@l");
    assert_eq!(then(&[registered(), suspended()], &change("")), Err("NotActive"), "the status comes first");
}

#[test]
fn the_same_phone_is_no_change() {
    let change = Command::ChangePhone { new_phone: "1815".into() };
    let once = then(&[registered()], &change).unwrap();
    assert_eq!(when(&Customer(Some(once)), &change), Ok(vec![]));
}

#[test]
fn a_new_default_address_replaces_the_old_and_removing_it_clears_it() {
    let events = [registered(), with_address(1, true), with_address(2, false)];
    assert_eq!(state(&events).default_address_id, Some(Uuid::from_u128(1)));
    let third =
        Command::AddAddress { address_id: Uuid::from_u128(3), address: address("x"), set_as_default: true };
    let customer = then(&events, &third).unwrap();
    assert_eq!((customer.default_address_id, customer.addresses.len()), (Some(Uuid::from_u128(3)), 3));

    let remove = |id: u128| Command::RemoveAddress { address_id: Uuid::from_u128(id) };
    assert_eq!(then(&events, &remove(1)).unwrap().default_address_id, None);
    assert_eq!(then(&events, &remove(2)).unwrap().default_address_id, Some(Uuid::from_u128(1)));
    assert_eq!(then(&events, &remove(4)), Err("AddressNotFound"));
}

#[test]
fn an_address_must_exist_to_be_updated_and_its_id_is_its_own() {
    let update = |id: u128, street: &str| Command::UpdateAddress {
        address_id: Uuid::from_u128(id),
        address: address(street),
    };
    let events = [registered(), with_address(1, true)];
    assert_eq!(then(&events, &update(2, "x")), Err("AddressNotFound"));
    let customer = then(&events, &update(1, "Ockham Park")).unwrap();
    assert_eq!(customer.addresses[&Uuid::from_u128(1)].street, "Ockham Park");
    assert_eq!(when(&given::<Customer>(&events), &update(1, "St James's Square")), Ok(vec![]));
    let add = |street: &str| Command::AddAddress {
        address_id: Uuid::from_u128(1),
        address: address(street),
        set_as_default: true,
    };
    assert_eq!(when(&given::<Customer>(&events), &add("St James's Square")), Ok(vec![]));
    assert_eq!(then(&events, &add("x")), Err("AddressAlreadyExists"));
}

#[test]
fn the_default_payment_method_stays_while_there_are_others() {
    let remove = |id: u128| Command::RemovePaymentMethod { payment_method_id: Uuid::from_u128(id) };
    let two = [registered(), with_method(1, true), with_method(2, false)];
    assert_eq!(then(&two, &remove(1)), Err("CannotRemoveDefaultPaymentMethod"));
    assert_eq!(then(&two, &remove(3)), Err("PaymentMethodNotFound"));
    assert_eq!(then(&two, &remove(2)).unwrap().payment_methods, [method(1, true)]);
    assert_eq!(then(&two[..2], &remove(1)).unwrap().payment_methods, [], "alone it may go");
}

#[test]
fn a_new_default_payment_method_replaces_the_old() {
    let add = |id: u128| Command::AddPaymentMethod { payment_method: method(id, true) };
    let one = [registered(), with_method(1, true)];
    let defaults = then(&one, &add(2)).unwrap();
    let defaults: Vec<_> = defaults.payment_methods.iter().map(|method| method.is_default).collect();
    assert_eq!(defaults, [false, true]);
    assert_eq!(when(&given::<Customer>(&one), &add(1)), Ok(vec![]));
    let other = Command::AddPaymentMethod { payment_method: method(1, false) };
    assert_eq!(then(&one, &other), Err("PaymentMethodAlreadyExists"));
}

#[test]
fn a_tier_only_rises_and_may_skip_levels() {
    let upgrade = |new_tier| Command::UpgradeTier { new_tier };
    let gold = then(&[registered()], &upgrade(CustomerTier::Gold)).unwrap();
    assert_eq!(gold.tier, CustomerTier::Gold);
    for no_upgrade in [CustomerTier::Gold, CustomerTier::Silver, CustomerTier::Bronze] {
        let refused = when(&Customer(Some(gold.clone())), &upgrade(no_upgrade));
        let expected =
            CustomerRejection::TierDowngradeNotAllowed { actual: CustomerTier::Gold, wanted: no_upgrade };
        assert_eq!(refused, Err(expected));
    }
}

#[test]
fn a_refusal_names_the_expected_and_the_actual_status() {
    let refused =
        |events: &[CustomerEvent], command: &Command| when(&given::<Customer>(events), command).unwrap_err();
    let email = Command::ChangeEmail { new_email: "a@l".into() };
    let not_active = refused(&[registered(), suspended()], &email);
    assert_eq!(
        (not_active.expected(), not_active.actual()),
        (&[CustomerStatus::Active][..], Some(CustomerStatus::Suspended))
    );
    let reactivate = refused(&[registered()], &Command::Reactivate { notes: None });
    assert_eq!(
        (reactivate.expected(), reactivate.actual()),
        (&[CustomerStatus::Suspended][..], Some(CustomerStatus::Active))
    );
}

/// The stored form is the product's promise to other readers.
#[test]
fn events_are_stored_under_their_names_with_their_fields() {
    let mut events = vec![registered(), with_address(1, true), with_method(1, true)];
    let commands = all_but_register();
    let order = [0, 1, 2, 4, 5, 7, 8, 9, 10, 11];
    for command in order.map(|at| &commands[at]) {
        let more = when(&given::<Customer>(&events), command)
            .unwrap_or_else(|refused| panic!("{command:?}: {refused}"));
        events.extend(more);
    }
    assert_eq!(events.len(), 13, "every kind of event once");
    insta::assert_snapshot!(stored(events));
}
