//! A statistics file of a Xen backend: one decimal number (drivers/block/xen-blkback/xenbus.c).
//!
//! Linux prints it with %llu since about 3.12. Before, it printed an int with %d: from 2^31 the number is negative, and
//! at 2^32 it wraps. A negative number stands for the upper half of those 32 bits.

use super::decimal;

const SECTOR: i64 = 512;

/// The count in a file; -1 if it does not fit. None if it is not a number, or not one that a kernel prints.
pub fn count(text: &[u8]) -> Option<i64> {
    if !text.starts_with(b"-") {
        return decimal::counter(text);
    }
    i32::try_from(decimal::only(text)?).ok().map(|as_int| i64::from(as_int.cast_unsigned()))
}

/// The bytes of a count of sectors, which always have 512 bytes in blkback. (libvirt multiplies by the physical sector
/// size, so its value is 8 times too large for disks with 4096-byte sectors.)
pub fn bytes(text: &[u8]) -> Option<i64> {
    Some(decimal::scaled(count(text)?, SECTOR))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn new_and_old_kernels() {
        assert_eq!(count(b"311\n"), Some(311));
        assert_eq!(count(b"0"), Some(0));
        assert_eq!(count(b"-2147483648\n"), Some(1 << 31));
        assert_eq!(count(b"-1\n"), Some((1 << 32) - 1));
        assert_eq!(bytes(b"-2147483648\n"), Some(1 << 40), "1 TiB");
        assert_eq!(bytes(b"20480\n"), Some(10 << 20));
    }

    #[test]
    fn numbers_that_no_kernel_prints() {
        for text in ["", "\n", "-", "-2147483649", "12 13", "0x1f", "twelve", "18446744073709551616"] {
            assert_eq!(count(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(bytes(b"18014398509481984"), Some(-1), "2^54 sectors are 2^63 bytes");
        assert_eq!(count(b"18446744073709551615"), Some(-1));
        assert_eq!(bytes(b"18014398509481983"), Some(i64::MAX - 511));
    }

    proptest! {
        #[test]
        fn all_32_bits_of_an_int(sectors: u32) {
            let printed = sectors.cast_signed().to_string();
            prop_assert_eq!(count(printed.as_bytes()), Some(i64::from(sectors)));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (count(&bytes), super::bytes(&bytes));
        }
    }
}
