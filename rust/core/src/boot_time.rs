//! When the machine started, on the clock that rows have their time from.

use std::fs::File;
use std::io::{Read, read_to_string};
use std::path::Path;

use crate::clock::monotonic_ns;
use crate::roots::Roots;

const UPTIME: &str = "/proc/uptime";
const LONGEST: u64 = 128;

/// Nanoseconds of CLOCK_MONOTONIC: this machine's start is that clock's 0. A captured machine has been up, now and at any
/// time, for as long as its /proc/uptime says; None where that is not there.
pub fn started_ns(roots: &Roots) -> Option<i64> {
    if !roots.captured() {
        return Some(0);
    }
    let file = File::from(roots.open_regular(Path::new(UPTIME)).ok()?);
    let text = read_to_string(file.take(LONGEST)).ok()?;
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    // From not a number, or from more than a clock can have, it is no time.
    (0.0..1e9).contains(&seconds).then(|| monotonic_ns() - (seconds * 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn of_this_machine_and_of_captured_ones() {
        assert_eq!(started_ns(&Roots::machine().unwrap()), Some(0));
        let tree = tempfile::tempdir().unwrap();
        let roots = Roots::new(tree.path(), &[]).unwrap();
        assert_eq!(started_ns(&roots), None);
        fs::create_dir(tree.path().join("proc")).unwrap();
        for odd in ["", "long ago\n", "nan 1\n", "inf\n", "-3.5 2\n", "1e300\n"] {
            fs::write(tree.path().join("proc/uptime"), odd).unwrap();
            assert_eq!(started_ns(&roots), None, "{odd:?}");
        }
        fs::write(tree.path().join("proc/uptime"), "3600.25 7100.00\n").unwrap();
        let started = started_ns(&roots).unwrap();
        let up = monotonic_ns() - started;
        assert!((3_600_250_000_000..3_601_000_000_000).contains(&up), "{up}");
    }
}
