//! The name of a stream.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::STREAM_ID_BYTES;

/// The name of the ordered events of one thing: `category-key`, where the category ends at the first dash.
///
/// At most 256 bytes. The category is one or more of `A-Z a-z 0-9 . _`, the key one or more of those and
/// `- : @ + = ~`. A category that begins with `$` belongs to Gesta itself: such streams are legal ids, but
/// edges refuse to append to them and filters leave them out unless told otherwise.
///
/// ```
/// use gesta_core::StreamId;
/// let id: StreamId = "order-7b0c-11".parse()?;
/// assert_eq!((id.category(), id.key()), ("order", "7b0c-11"));
/// assert!("../etc".parse::<StreamId>().is_err());
/// # Ok::<(), gesta_core::InvalidStreamId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "topic")]
#[doc(alias = "aggregate stream")]
pub struct StreamId(Arc<str>);

/// The text is no stream id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "illegal stream id {given:?}: write category-key, at most 256 bytes, with A-Z a-z 0-9 . _ in the category \
     and also - : @ + = ~ in the key"
)]
pub struct InvalidStreamId {
    /// What was given, cut to 300 bytes.
    pub given: String,
}

impl StreamId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first dash.
    pub fn category(&self) -> &str {
        self.0.split_once('-').expect("a stream id holds a dash").0
    }

    /// What stands after the first dash.
    pub fn key(&self) -> &str {
        self.0.split_once('-').expect("a stream id holds a dash").1
    }

    /// Whether the stream belongs to Gesta itself.
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }

    /// Makes a legal id of any two texts: what the grammar does not allow becomes `_`, and the rest is cut at
    /// 256 bytes. Two texts may so meet in one stream.
    pub fn lossy(category: &str, key: &str) -> Self {
        let mut text: String = category.chars().map(|c| if in_category(c) { c } else { '_' }).collect();
        if text.is_empty() {
            text.push('_');
        }
        text.truncate(STREAM_ID_BYTES / 2);
        text.push('-');
        text.extend(key.chars().map(|c| if in_key(c) { c } else { '_' }));
        if key.is_empty() {
            text.push('_');
        }
        text.truncate(STREAM_ID_BYTES);
        Self(text.replace("..", "__").into())
    }
}

fn in_category(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_')
}

fn in_key(c: char) -> bool {
    in_category(c) || matches!(c, '-' | ':' | '@' | '+' | '=' | '~')
}

fn legal(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(dash) = bytes.iter().position(|byte| *byte == b'-') else { return false };
    let (category, key) = (&bytes[..dash], &bytes[dash + 1..]);
    let name = category.strip_prefix(b"$").unwrap_or(category);
    bytes.len() <= STREAM_ID_BYTES
        && !name.is_empty()
        && !key.is_empty()
        && name.iter().all(|byte| in_category(char::from(*byte)))
        && key.iter().all(|byte| in_key(char::from(*byte)))
        && !bytes.windows(2).any(|pair| pair == b"..")
}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        if legal(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidStreamId { given: text.chars().take(300).collect() })
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_could_be_mistaken_for_a_path_or_hides() {
        for bad in ["", "-", "a-", "-a", "a", "a/b-c", "a-..", "a-%00", "a-\u{202e}", "a b-c", "$-x"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn system_streams_are_told_apart() {
        assert!("$group-x".parse::<StreamId>().expect("legal").is_system());
    }

    proptest! {
        #[test]
        fn a_lossy_id_is_legal(category in ".*", key in ".*") {
            let made = StreamId::lossy(&category, &key);
            prop_assert!(legal(made.as_str()), "{made}");
        }
    }
}
