//! The kernel's uevents (lib/kobject_uevent.c): `ACTION@DEVPATH` and `KEY=VALUE` words, each ended by a zero byte.

use super::decimal;

/// Whether a uevent is about a device of this subsystem.
pub fn is_of_subsystem(message: &[u8], subsystem: &[u8]) -> bool {
    message.split(|byte| *byte == 0).any(|word| word.strip_prefix(b"SUBSYSTEM=") == Some(subsystem))
}

/// The number of the device that a uevent is about (MAJOR and MINOR).
pub fn device_number(message: &[u8]) -> Option<(u32, u32)> {
    let number = |key: &[u8]| {
        let value = message.split(|byte| *byte == 0).find_map(|word| word.strip_prefix(key))?;
        decimal::only(value).and_then(|number| u32::try_from(number).ok())
    };
    Some((number(b"MAJOR=")?, number(b"MINOR=")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_subsystem_is_a_word_of_its_own() {
        let message = b"remove@/devices/virtual/block/loop0\0ACTION=remove\0SUBSYSTEM=block\0MAJOR=7\0";
        assert!(is_of_subsystem(message, b"block"));
        assert!(!is_of_subsystem(message, b"blo"));
        assert!(!is_of_subsystem(message, b"xen-backend"));
        let message = b"add@/devices/virtual/net/tap0\0ACTION=add\0SUBSYSTEM=net\0INTERFACE=block\0";
        assert!(!is_of_subsystem(message, b"block"));
        for nothing in [&b""[..], &[0; 100], b"SUBSYSTEM"] {
            assert!(!is_of_subsystem(nothing, b"block"));
        }
    }

    #[test]
    fn a_device_has_two_numbers() {
        let message = b"add@/devices/virtual/block/loop0\0SUBSYSTEM=block\0MAJOR=7\0MINOR=128\0DEVNAME=loop0\0";
        assert_eq!(device_number(message), Some((7, 128)));
        for odd in [&b"MAJOR=7\0"[..], b"MAJOR=7\0MINOR=x\0", b"MAJOR=-1\0MINOR=0\0", b"MAJOR=4294967296\0MINOR=0\0"] {
            assert_eq!(device_number(odd), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (is_of_subsystem(&bytes, b"block"), device_number(&bytes));
            let message = [&bytes[..], b"\0SUBSYSTEM=block\0", &bytes].concat();
            prop_assert!(is_of_subsystem(&message, b"block"));
        }
    }
}
