//! A statistics page of tapdisk, and the next read of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::fields::block;
use vmiostat_core::parse::tapdisk::{LENGTH, Unknown, VERSION, page};

fuzz_target!(|bytes: &[u8]| {
    let word = |at: usize| u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap());
    let first = match page(bytes) {
        Err(Unknown::Short) => return assert!(bytes.len() < LENGTH),
        Err(Unknown::Version(version)) => return assert!(version != VERSION && version == word(0) as u32),
        Ok(page) => page,
    };
    assert_eq!(word(0) as u32, VERSION);
    let record = first.record();
    assert_eq!(record[block::rd_req], i64::try_from(word(3)).unwrap_or(-1));
    assert_eq!(record[block::wr_bytes], i64::try_from(u128::from(word(8)) * 512).unwrap_or(-1));
    assert_eq!(record[block::errs], i64::try_from(word(1)).unwrap_or(-1));
    assert!(record.iter().all(|number| *number >= -1));
    // A consistent page follows itself.
    assert_eq!(first.follows(&first), word(2) >= word(3) && word(6) >= word(7));
    if let Some(Ok(next)) = bytes.get(LENGTH..).map(page)
        && first.follows(&next)
        && next.follows(&first)
    {
        assert_eq!((first.read.sectors, first.write.completed), (next.read.sectors, next.write.completed));
    }
});
