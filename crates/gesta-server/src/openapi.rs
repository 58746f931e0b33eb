//! The OpenAPI document of a server without an application, made from the routes.

use std::sync::OnceLock;

/// The document as text, pretty-printed, the same for every run of a release.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| crate::auth::document_text(&crate::routes::document()))
}
