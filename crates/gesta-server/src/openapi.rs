//! The OpenAPI document, made from the routes.

use std::sync::OnceLock;

/// The document as text, pretty-printed, the same for every run of a release.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = crate::routes::document().to_pretty_json().expect("the document is JSON");
        text.push('\n');
        text
    })
}
