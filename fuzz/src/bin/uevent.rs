//! Uevents of devices.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::uevent;
use vmiostat_fuzz::words;

fuzz_target!(|message: &[u8]| {
    let whole = [b"\0", message, b"\0"].concat();
    for subsystem in [&b"block"[..], b"xen-backend", b""] {
        let word = [b"\0SUBSYSTEM=", subsystem, b"\0"].concat();
        assert_eq!(uevent::is_of_subsystem(message, subsystem), words::find(&whole, &word));
    }
});
