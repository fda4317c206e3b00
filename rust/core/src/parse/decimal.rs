//! Decimal numbers as the kernel prints them.

/// Takes the digits of a number off the front. None without a digit, or above `i64::MAX`: a counter that does not fit
/// into the signed word of a record is unknown, never wrapped.
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
    if length == 0 { None } else { i64::try_from(value).ok() }
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

/// The only number in a file, which may be negative.
pub fn only(mut bytes: &[u8]) -> Option<i64> {
    let negative = bytes.first() == Some(&b'-');
    bytes = &bytes[usize::from(negative)..];
    let value = take(&mut bytes)?;
    at_end(bytes).then_some(if negative { -value } else { value })
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
                prop_assert_eq!(digits.parse::<i64>().unwrap(), value);
            }
        }
    }
}
