//! What may be said of JSON that could not be read.

use std::fmt;

use serde_json::error::Category;

/// Says where JSON could not be read, and in which way. serde's own words repeat what they found, so they stay out of
/// texts that reach logs and statuses: payloads belong in neither.
pub(crate) struct Unreadable<'a>(pub(crate) &'a serde_json::Error);

impl fmt::Display for Unreadable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.classify() {
            Category::Io | Category::Syntax => "it is no JSON",
            Category::Eof => "its JSON ends too early",
            Category::Data => "its JSON has another shape",
        })?;
        // A value that was parsed before has no lines.
        match self.0.line() {
            0 => Ok(()),
            line => write!(f, " at line {line}, column {}", self.0.column()),
        }
    }
}
