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

    assert_eq!(decimal::only(bytes), words::only(bytes));
    assert_eq!(decimal::counter(bytes), words::counter(bytes));

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
