//! What tells one type of state from another.

use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{aggregate::Aggregate, event::Event};

mod tracer;

/// The space of the fingerprints' names.
const NAMESPACE: Uuid = Uuid::from_u128(0x6765_7374_612e_7368_8170_6500_0000_0001);

/// Changes with the type of the state, as far as serde tells it, with the kinds of events that make it, and with the
/// revision. Equal over runs and machines.
pub(super) fn fingerprint<A: Aggregate + DeserializeOwned>(revision: u32) -> String {
    let kinds = A::Event::KINDS.iter().map(|kind| format!("{} {}", kind.name, kind.schema_version));
    let kinds: Vec<_> = kinds.collect();
    let told = format!("{}\n{revision}\n{}\n{}", A::CATEGORY, kinds.join("\n"), tracer::shape::<A>());
    Uuid::new_v5(&NAMESPACE, told.as_bytes()).to_string()
}
