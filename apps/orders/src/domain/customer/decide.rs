//! The rules of a customer, one function each.

use uuid::Uuid;

use super::{
    Address, AddressAdded, AddressRemoved, AddressUpdated, CustomerCommand as Command, CustomerEvent,
    CustomerEvent as Event, CustomerRegistered, CustomerRejection as Refused,
    CustomerStatus::{Active, Deactivated, Suspended},
    CustomerTier, EmailChanged, Noted, PaymentMethod, PaymentMethodAdded, PaymentMethodRemoved, PhoneChanged,
    ProfileUpdated, Reasoned, RegisteredCustomer, TierUpgraded,
};

/// What a rule comes to: one event, none where nothing changes, or a refusal.
type Decided = Result<Option<Event>, Refused>;

/// What is given is looked at before whether there is such a customer.
pub(super) fn register(
    known: Option<&RegisteredCustomer>,
    given: CustomerRegistered,
) -> Result<CustomerEvent, Refused> {
    check_first_name(&given.first_name)?;
    check_last_name(&given.last_name)?;
    check_email(&given.email)?;
    match known {
        Some(known) => Err(Refused::AlreadyExists { actual: known.status }),
        None => Ok(Event::Registered(given)),
    }
}

impl RegisteredCustomer {
    pub(super) fn decide(&self, command: &Command) -> Decided {
        match command {
            Command::RegisterCustomer { .. } => Err(Refused::AlreadyExists { actual: self.status }),
            Command::Suspend { reason } => self.suspend(reason),
            Command::Reactivate { notes } => self.reactivate(notes.as_ref()),
            Command::Deactivate { reason } => self.deactivate(reason),
            _ if self.status != Active => Err(Refused::NotActive { actual: self.status }),
            Command::UpdateProfile { first_name, last_name, phone } => {
                let (first_name, last_name) = (first_name.clone(), last_name.clone());
                self.update_profile(ProfileUpdated { first_name, last_name, phone: phone.clone() })
            }
            Command::ChangeEmail { new_email } => self.change_email(new_email),
            Command::ChangePhone { new_phone } => self.change_phone(new_phone),
            Command::AddAddress { address_id, address, set_as_default } => {
                self.add_address(*address_id, address, *set_as_default)
            }
            Command::UpdateAddress { address_id, address } => self.update_address(*address_id, address),
            Command::RemoveAddress { address_id } => self.remove_address(*address_id),
            Command::AddPaymentMethod { payment_method } => self.add_payment_method(payment_method),
            Command::RemovePaymentMethod { payment_method_id } => {
                self.remove_payment_method(*payment_method_id)
            }
            Command::UpgradeTier { new_tier } => self.upgrade_tier(*new_tier),
        }
    }

    fn update_profile(&self, given: ProfileUpdated) -> Decided {
        given.first_name.as_deref().map_or(Ok(()), check_first_name)?;
        given.last_name.as_deref().map_or(Ok(()), check_last_name)?;
        let same =
            |given: &Option<String>, known: Option<&String>| given.is_none() || given.as_ref() == known;
        let unchanged = same(&given.first_name, Some(&self.first_name))
            && same(&given.last_name, Some(&self.last_name))
            && same(&given.phone, self.phone.as_ref());
        Ok((!unchanged).then_some(Event::ProfileUpdated(given)))
    }

    fn change_email(&self, new: &str) -> Decided {
        check_email(new)?;
        let changed = || EmailChanged { old_email: self.email.clone(), new_email: new.to_owned() };
        Ok((new != self.email).then(|| Event::EmailChanged(changed())))
    }

    fn change_phone(&self, new: &str) -> Decided {
        let changed = || PhoneChanged { old_phone: self.phone.clone(), new_phone: new.to_owned() };
        Ok((self.phone.as_deref() != Some(new)).then(|| Event::PhoneChanged(changed())))
    }

    fn add_address(&self, address_id: Uuid, address: &Address, is_default: bool) -> Decided {
        if let Some(known) = self.addresses.get(&address_id) {
            let was_default = self.default_address_id == Some(address_id);
            let same = known == address && was_default == is_default;
            return if same { Ok(None) } else { Err(Refused::AddressAlreadyExists { address_id }) };
        }
        Ok(Some(Event::AddressAdded(AddressAdded { address_id, address: address.clone(), is_default })))
    }

    fn update_address(&self, address_id: Uuid, address: &Address) -> Decided {
        let known = self.addresses.get(&address_id).ok_or(Refused::AddressNotFound { address_id })?;
        let updated = || AddressUpdated { address_id, address: address.clone() };
        Ok((known != address).then(|| Event::AddressUpdated(updated())))
    }

    fn remove_address(&self, address_id: Uuid) -> Decided {
        if !self.addresses.contains_key(&address_id) {
            return Err(Refused::AddressNotFound { address_id });
        }
        Ok(Some(Event::AddressRemoved(AddressRemoved { address_id })))
    }

    fn add_payment_method(&self, payment_method: &PaymentMethod) -> Decided {
        match self.payment_methods.iter().find(|known| known.id == payment_method.id) {
            Some(known) if known == payment_method => Ok(None),
            Some(known) => Err(Refused::PaymentMethodAlreadyExists { payment_method_id: known.id }),
            None => {
                let payment_method = payment_method.clone();
                Ok(Some(Event::PaymentMethodAdded(PaymentMethodAdded { payment_method })))
            }
        }
    }

    fn remove_payment_method(&self, payment_method_id: Uuid) -> Decided {
        let found = self.payment_methods.iter().find(|method| method.id == payment_method_id);
        let method = found.ok_or(Refused::PaymentMethodNotFound { payment_method_id })?;
        if method.is_default && self.payment_methods.len() > 1 {
            return Err(Refused::CannotRemoveDefaultPaymentMethod);
        }
        Ok(Some(Event::PaymentMethodRemoved(PaymentMethodRemoved { payment_method_id })))
    }

    fn upgrade_tier(&self, wanted: CustomerTier) -> Decided {
        if wanted <= self.tier {
            return Err(Refused::TierDowngradeNotAllowed { actual: self.tier, wanted });
        }
        Ok(Some(Event::TierUpgraded(TierUpgraded { old_tier: self.tier, new_tier: wanted })))
    }

    fn suspend(&self, reason: &str) -> Decided {
        match self.status {
            Active => Ok(Some(Event::Suspended(Reasoned { reason: reason.to_owned() }))),
            Suspended => Err(Refused::AlreadySuspended),
            Deactivated => Err(Refused::AlreadyDeactivated { expected: &[Active] }),
        }
    }

    fn reactivate(&self, notes: Option<&String>) -> Decided {
        match self.status {
            Suspended => Ok(Some(Event::Reactivated(Noted { notes: notes.cloned() }))),
            actual => Err(Refused::NotSuspended { actual }),
        }
    }

    fn deactivate(&self, reason: &str) -> Decided {
        match self.status {
            Active | Suspended => Ok(Some(Event::Deactivated(Reasoned { reason: reason.to_owned() }))),
            Deactivated => Err(Refused::AlreadyDeactivated { expected: &[Active, Suspended] }),
        }
    }
}

fn check_first_name(name: &str) -> Result<(), Refused> {
    if name.trim().is_empty() { Err(Refused::EmptyFirstName) } else { Ok(()) }
}

fn check_last_name(name: &str) -> Result<(), Refused> {
    if name.trim().is_empty() { Err(Refused::EmptyLastName) } else { Ok(()) }
}

fn check_email(email: &str) -> Result<(), Refused> {
    match email.trim() {
        "" => Err(Refused::EmptyEmail),
        text if !text.contains('@') => Err(Refused::InvalidEmail),
        _ => Ok(()),
    }
}
