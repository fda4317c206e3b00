//! Events of watched folders.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::inotify::{self, Event};

fuzz_target!(|bytes: &[u8]| {
    let (mut start, mut expected) = (0, Vec::new());
    while start + 16 <= bytes.len() {
        let word = |at: usize| u32::from_ne_bytes(bytes[start + at..start + at + 4].try_into().unwrap());
        let end = start + 16 + word(12) as usize;
        if end > bytes.len() {
            break;
        }
        let padded = &bytes[start + 16..end];
        let name = padded.split(|byte| *byte == 0).next().unwrap();
        expected.push(Event { watch: word(0) as i32, mask: word(4), name });
        start = end;
    }
    assert_eq!(inotify::events(bytes).collect::<Vec<_>>(), expected);
});
