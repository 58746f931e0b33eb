//! `cargo xtask openapi`: the golden OpenAPI document.

use crate::Outcome;

/// Writes it anew, or compares it with `--check`.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    Err("the server offers no OpenAPI document yet".into())
}

/// Compares it with what the server says of itself.
pub(crate) fn check() -> Outcome {
    Ok(())
}
