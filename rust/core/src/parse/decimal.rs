//! Decimal numbers as the kernel prints them.

/// Takes the digits of a number off the front. One of 64 bits that does not fit into the signed word of a record is -1:
/// it is unknown, never wrapped, and costs no other number of its line. None without a digit, or above `u64::MAX`, which
/// no kernel prints.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<i64> {
    let mut value: u64 = 0;
    let mut length = 0;
    for &byte in *bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // 19 digits always fit into 64 bits.
        value = if length < 19 {
            value * 10 + u64::from(digit)
        } else {
            value.checked_mul(10)?.checked_add(u64::from(digit))?
        };
        length += 1;
    }
    *bytes = &bytes[length..];
    if length == 0 { None } else { Some(or_unknown(value)) }
}

/// The number, or -1 if it does not fit.
#[inline]
pub fn or_unknown(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(-1)
}

/// A number in other units: -1 if it is unknown, or does not fit.
#[inline]
pub fn scaled(number: i64, unit: i64) -> i64 {
    if number < 0 { -1 } else { number.checked_mul(unit).unwrap_or(-1) }
}

/// The sum of two numbers: -1 if one is unknown, or it does not fit.
#[inline]
pub fn sum(one: i64, other: i64) -> i64 {
    if one < 0 || other < 0 { -1 } else { one.checked_add(other).unwrap_or(-1) }
}

/// Takes blanks off the front.
#[inline]
pub fn skip_blanks(bytes: &mut &[u8]) {
    let blanks = bytes.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
    *bytes = &bytes[blanks..];
}

/// Takes the next number of a list separated by blanks. None if it is not a number.
#[inline]
pub fn next(bytes: &mut &[u8]) -> Option<i64> {
    skip_blanks(bytes);
    let value = take(bytes)?;
    matches!(bytes.first(), None | Some(b' ' | b'\t' | b'\n')).then_some(value)
}

/// Whether only blanks and a newline are left.
#[inline]
pub fn at_end(mut bytes: &[u8]) -> bool {
    skip_blanks(&mut bytes);
    matches!(bytes, b"" | b"\n")
}

/// The only number in a file, which may be negative. None if it does not fit.
pub fn only(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let value = counter(digits).filter(|value| *value >= 0)?;
    Some(if digits.len() < bytes.len() { -value } else { value })
}

/// The only counter in a file; -1 if it does not fit.
#[inline]
pub fn counter(mut bytes: &[u8]) -> Option<i64> {
    let value = take(&mut bytes)?;
    at_end(bytes).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_of_a_word() {
        assert_eq!(only(b"9223372036854775807\n"), Some(i64::MAX));
        assert_eq!(only(b"-9223372036854775807"), Some(-i64::MAX));
        for too_large in
            ["9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999999"]
        {
            assert_eq!(only(too_large.as_bytes()), None, "{too_large}");
        }
        for (text, value) in [("9223372036854775808", Some(-1)), ("18446744073709551615", Some(-1)), ("-1", None)] {
            assert_eq!(counter(text.as_bytes()), value, "{text}");
        }
        assert_eq!(counter(b"18446744073709551616"), None, "no kernel prints more than 64 bits");
        assert_eq!((scaled(3, 512), scaled(-1, 512), scaled(i64::MAX, 2)), (1536, -1, -1));
        assert_eq!((sum(3, 4), sum(-1, 4), sum(4, -1), sum(i64::MAX, 1)), (7, -1, -1, -1));
        assert_eq!(only(b"00000000000000000000000000042"), Some(42));
    }

    #[test]
    fn texts_that_are_not_numbers() {
        for text in ["", "-", "\n", " 1", "+1", "1 2", "1\n\n", "--1", "0x10", "1.5", "\u{661}"] {
            assert_eq!(only(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(text in "-?[0-9]{1,25}") {
            let expected = text.parse::<i64>().ok().filter(|value| *value != i64::MIN);
            prop_assert_eq!(only(text.as_bytes()), expected);
        }

        #[test]
        fn takes_only_the_digits(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            let taken = take(&mut rest);
            prop_assert!(bytes.ends_with(rest));
            if let Some(value) = taken {
                let digits = std::str::from_utf8(&bytes[..bytes.len() - rest.len()]).unwrap();
                prop_assert_eq!(or_unknown(digits.parse::<u64>().unwrap()), value);
            }
        }
    }
}
