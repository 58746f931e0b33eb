//! What the text of a cell says as JSON.

use serde_json::value::{RawValue, to_raw_value};

/// Most digits of a number that every reader of JSON gets back to the letter.
const EXACT_DIGITS: usize = 15;

/// A cell as JSON: `true`, `false`, a number where that loses nothing, otherwise text.
///
/// Decided cell by cell and never by looking at other rows: a file that has grown since says the same about its
/// old rows, so that importing it again adds only the new ones.
pub(crate) fn typed(text: &str) -> Box<RawValue> {
    if matches!(text, "true" | "false") || is_exact_number(text) {
        return RawValue::from_string(text.to_owned()).expect("a literal of JSON");
    }
    plain(text)
}

/// A cell as text.
pub(crate) fn plain(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("text always serializes")
}

/// Digits as JSON writes them: no plus, no exponent, no leading zero (`007` is a name), no minus zero, and few
/// enough to survive a reader that keeps numbers as 64-bit floating point.
fn is_exact_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let minus_zero = digits.len() < text.len() && digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    all_digits(whole)
        && fraction.is_none_or(all_digits)
        && (whole == "0" || !whole.starts_with('0'))
        && !minus_zero
        && whole.len() + fraction.map_or(0, str::len) <= EXACT_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_booleans_are_told_apart_from_names() {
        for literal in ["true", "false", "0", "-7", "58.90", "0.5", "123456789012345"] {
            assert_eq!(typed(literal).get(), literal);
        }
        for name in
            ["007", "-0", "1e5", "+1", ".5", "5.", "1,5", "TRUE", "null", "", " 1", "1234567890123456", "٣"]
        {
            assert_eq!(typed(name).get(), serde_json::to_string(name).expect("text"), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_cell_is_json_that_says_the_text(text in "[-0-9.]{0,20}|.*") {
            let json: serde_json::Value = serde_json::from_str(typed(&text).get()).expect("JSON");
            match json {
                serde_json::Value::String(back) => prop_assert_eq!(back, text),
                serde_json::Value::Bool(back) => prop_assert_eq!(back.to_string(), text),
                serde_json::Value::Number(back) => {
                    let same = back.as_f64() == text.parse::<f64>().ok();
                    prop_assert!(same, "{} is not {}", back, text);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
