//! A poller that keeps /proc/net/dev and /proc/diskstats open, over arbitrary changes of both files: remembered lines
//! must never give a row a number that is not in its own line.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use vmiostat_core::clock::monotonic_ns;
use vmiostat_core::fields::{Table, block, interface};
use vmiostat_core::parse::netdev;
use vmiostat_core::rates::fields;
use vmiostat_core::state::State;
use vmiostat_fuzz::machine::{DISKS, INTERFACES, Machine};
use vmiostat_fuzz::words;

/// The buffer of the poller, which limits the length of a line. Some texts are made longer than that.
const BUFFER: usize = 16 << 10;
const LONG: usize = BUFFER + 5000;

/// The most texts per input.
const MAX_TEXTS: usize = 3;

thread_local!(static MACHINE: OnceCell<Machine> = const { OnceCell::new() });

fuzz_target!(|bytes: &[u8]| {
    MACHINE.with(|machine| {
        // Forget the lines of the last input.
        machine.get_or_init(Machine::new).poll(b"x:\n0 0 x\n");
        // The successive texts of the files.
        for text in bytes.split(|byte| *byte == 0xFF).take(MAX_TEXTS) {
            let (machine, start) = (machine.get().unwrap(), monotonic_ns());
            let text = match text.strip_prefix(b"\xFE") {
                Some(text) if !text.is_empty() => text.repeat(LONG.div_ceil(text.len())),
                _ => text.to_vec(),
            };
            let sample = machine.poll(&text);
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            let readable = lines.iter().all(|line| line.len() < BUFFER);
            for (row, (name, swap_rx_tx)) in INTERFACES.into_iter().enumerate() {
                let own = lines.iter().filter_map(|line| match words::interface(line) {
                    Some((found, rest)) if found == name.as_bytes() => Some(rest),
                    // A later colon, as in `eth0: 1:`, is in no kernel's text: the line may count for either name.
                    _ => netdev::numbers_of(line, name.as_bytes()),
                });
                let numbers = own.map(|rest| Some(netdev::record(&words::interface_counters(rest)?, swap_rx_tx)));
                check::<interface::Table>(&sample.interface[row * interface::WORDS..], numbers, readable, start);
            }
            let disks: Vec<_> = lines.iter().filter_map(|line| words::block_device(line)).collect();
            for (row, number) in DISKS.into_iter().enumerate() {
                let numbers = disks.iter().filter(|(found, _)| *found == number).map(|(_, rest)| {
                    let named = words::without_blanks(rest);
                    let end = named.iter().position(|byte| *byte == b' ').filter(|end| *end > 0)?;
                    words::block_record(&named[end..])
                });
                check::<block::Table>(&sample.block[row * block::WORDS..], numbers, readable, start);
            }
        }
    });
});

/// A row has the numbers of a line of its device, or none and a state that says why.
fn check<T: Table>(row: &[i64], own: impl Iterator<Item = Option<T::Record>>, readable: bool, start: i64) {
    let numbers = counters::<T>(row);
    assert!((start..=monotonic_ns()).contains(&row[T::TIME_NS]));
    let own: Vec<_> = own.collect();
    match State::from_word(row[T::STATE]).unwrap() {
        State::Ok => assert!(own.iter().flatten().any(|record| counters::<T>(record.as_ref()) == numbers)),
        State::Gone => {
            assert!(numbers.iter().all(|number| *number == -1));
            assert!(own.iter().all(Option::is_none), "its line exists");
        }
        State::Unreadable => {
            assert!(numbers.iter().all(|number| *number == -1));
            assert!(!readable || own.len() != 1 || own[0].is_none(), "its only line is readable");
        }
        other => panic!("{other:?}"),
    }
}

/// The row's counters and gauges, without what describes the row itself.
fn counters<T: Table>(row: &[i64]) -> Vec<i64> {
    fields::<T>().map(|field| row[field.word()]).collect()
}
