//! Numbers of any size, as the server sends them.

use gesta_core::read_model::Value;

/// A `NUMERIC`: a whole number if it is one that fits, else the nearest with a fraction. `None` if the bytes are none.
///
/// `sum` over a `BIGINT` is a `NUMERIC` here and a whole number on SQLite; a reader sees the same.
pub(super) fn value(raw: &[u8]) -> Option<Value> {
    let word = |at: usize| Some(i16::from_be_bytes(raw.get(at * 2..at * 2 + 2)?.try_into().ok()?));
    let (count, weight, sign) =
        (usize::try_from(word(0)?).ok()?, i32::from(word(1)?), word(2)?.cast_unsigned());
    match sign {
        0xC000 => return Some(Value::Real(f64::NAN)),
        0xD000 => return Some(Value::Real(f64::INFINITY)),
        0xF000 => return Some(Value::Real(f64::NEG_INFINITY)),
        _ => {}
    }
    // Each is four decimal places; the first counts 10000 to the power of `weight`.
    let digits: Vec<i16> = (0..count).map(|at| word(at + 4)).collect::<Option<_>>()?;
    let digit = |power: i32| {
        let at = usize::try_from(weight - power).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
    };
    let mut text = if sign == 0x4000 { "-0".to_owned() } else { "0".to_owned() };
    (0..=weight).rev().for_each(|power| text.push_str(&format!("{:04}", digit(power))));
    let last = weight + 1 - i32::try_from(count).ok()?;
    let whole = (last..0).all(|power| digit(power) == 0);
    if whole && let Ok(number) = text.parse::<i64>() {
        return Some(Value::Integer(number));
    }
    text.push('.');
    (last..0).rev().for_each(|power| text.push_str(&format!("{:04}", digit(power))));
    text.push('0');
    text.parse().ok().map(Value::Real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(weight: i16, sign: u16, digits: &[i16]) -> Value {
        let head = [digits.len() as i16, weight, sign.cast_signed(), 0];
        let raw: Vec<u8> = head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect();
        value(&raw).expect("is a number")
    }

    #[test]
    fn whole_numbers_that_fit_are_whole() {
        assert_eq!(sent(0, 0, &[]), Value::Integer(0));
        assert_eq!(sent(0, 0, &[42]), Value::Integer(42));
        assert_eq!(sent(1, 0x4000, &[12, 3456]), Value::Integer(-123_456));
        // Zeros at the end are not sent.
        assert_eq!(sent(2, 0, &[7]), Value::Integer(700_000_000));
        assert_eq!(sent(4, 0x4000, &[922, 3372, 368, 5477, 5808]), Value::Integer(i64::MIN));
        assert_eq!(sent(0, 0, &[2, 0]), Value::Integer(2));
    }

    #[test]
    fn others_are_the_nearest_there_is() {
        assert_eq!(sent(0, 0, &[1, 5000]), Value::Real(1.5));
        assert_eq!(sent(-1, 0x4000, &[1]), Value::Real(-0.0001));
        assert_eq!(sent(-2, 0, &[5000]), Value::Real(0.000_05));
        assert_eq!(sent(4, 0, &[922, 3372, 368, 5477, 5808]), Value::Real(9_223_372_036_854_775_808.0));
        assert_eq!(sent(0, 0xD000, &[]), Value::Real(f64::INFINITY));
        assert_eq!(value(&[0, 1]), None);
    }
}
