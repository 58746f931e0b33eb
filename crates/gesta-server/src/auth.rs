//! Who asks, and what they may do.
//!
//! One path for all requests: the [`Authority`] turns a credential into a [`Caller`], and the guard of each route
//! compares its [`Access`] with what the caller was granted. Both happen before the body is touched.

mod authority;
mod caller;
mod denied;
mod guarded;
mod host;
pub mod keys;
mod permission;
mod routes;

pub use authority::Authority;
pub use caller::{Caller, Grants};
pub use denied::Denied;
pub use guarded::{Access, Declared, Guarded};
pub use permission::{Permission, UnknownPermission};
pub use routes::Routes;
pub(crate) use routes::text as document_text;
