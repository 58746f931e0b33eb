//! `#[derive(Event)]`, which writes the impl of `gesta::Event` for an enum of facts.
//!
//! Use it through `gesta`, which re-exports it beside the trait and explains it there. It is a crate of its own only
//! because the compiler wants macros apart. It knows names and nothing else: what an event holds is serde's matter.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod expand;
mod kind;

/// Writes `gesta::Event` for an enum whose variants each hold one serde struct.
///
/// Every variant says the name its facts are stored under, in full: `#[event(name = "OrderConfirmed")]`. Further,
/// each optional: `schema_version = 2` (1 unless given) and `aliases("order.confirmed")`, other spellings under which
/// such facts were stored and may be asked for.
///
/// For this enum
///
/// ```text
/// #[derive(Clone, Event)]
/// enum OrderEvent {
///     #[event(name = "OrderCreated")]
///     Created(OrderCreated),
///     #[event(name = "OrderConfirmed", schema_version = 2, aliases("order.confirmed"))]
///     Confirmed(OrderConfirmed),
/// }
/// ```
///
/// it writes the list of kinds, which of them a value is, and the two ways between a value and its JSON. The JSON holds
/// the fields of the inner struct and no tag, so a variant may be renamed at will; the name in the attribute may not.
///
/// It does not compile when a name is missing or illegal, when two variants share a spelling, when a variant holds
/// anything but exactly one value, and for anything but an enum.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::event(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
