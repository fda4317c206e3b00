//! One number, and lists of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::decimal;
use vmiostat_fuzz::words;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let taken = decimal::take(&mut rest);
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    assert_eq!(taken, words::number(&bytes[..digits]));
    if taken.is_some() {
        assert_eq!(rest, &bytes[digits..]);
    }

    let (sign, unsigned) = match bytes.strip_prefix(b"-") {
        Some(unsigned) => (-1, unsigned),
        None => (1, bytes),
    };
    let alone = words::numbers(unsigned, 2).filter(|found| found.len() == 1 && unsigned[0].is_ascii_digit());
    assert_eq!(decimal::only(bytes), alone.map(|found| sign * found[0]));

    let (mut rest, mut found) = (bytes, Some(Vec::new()));
    while let Some(list) = &mut found
        && !decimal::at_end(rest)
    {
        match decimal::next(&mut rest) {
            Some(number) => list.push(number),
            None => found = None,
        }
    }
    assert_eq!(found, words::numbers(bytes, usize::MAX));
});
