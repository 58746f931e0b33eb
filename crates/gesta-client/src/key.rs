//! The secret a client shows a server.

use std::{fmt, path::Path, str::FromStr};

use http::HeaderValue;

/// The longest key that is taken, in bytes.
const KEY_BYTES: usize = 512;

/// The secret a client shows a server: read from a file or the environment, never printed.
///
/// ```
/// use gesta_client::ApiKey;
/// let key: ApiKey = "gk_example_0123456789".parse()?;
/// assert_eq!(format!("{key:?}"), "ApiKey(…)");
/// # Ok::<(), gesta_client::InvalidKey>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// The text is no key. The text itself is not repeated here: it may be a secret with a slip in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// Empty, overlong or with characters that no key has.
    #[error("this is no API key: it is one line of visible ASCII, such as gesta keys create prints")]
    Text,
    /// The file that holds the key cannot be read.
    #[error("the key file {path} cannot be read: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl ApiKey {
    /// Reads a key from a file that holds nothing else; white space around it is ignored.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, InvalidKey> {
        let path = path.as_ref();
        std::fs::read_to_string(path)
            .map_err(|source| InvalidKey::File { path: path.display().to_string(), source })?
            .parse()
    }

    /// The header that shows it.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for ApiKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        if text.is_empty() || text.len() > KEY_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidKey::Text);
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| InvalidKey::Text)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_not_repeated_in_the_error() {
        let error = "gk_secret with a slip".parse::<ApiKey>().expect_err("a space is no part of a key");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn white_space_around_a_key_is_ignored() {
        let key: ApiKey = " gk_1\n".parse().expect("a key");
        assert_eq!(key.header(), "Bearer gk_1");
    }
}
