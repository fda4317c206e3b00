//! When the machine booted, on the monotonic clock of the rows.

use std::fs::File;
use std::io::{Read, read_to_string};
use std::path::Path;

use crate::clock::monotonic_ns;
use crate::roots::Roots;

const UPTIME: &str = "/proc/uptime";
const MAX_LENGTH: u64 = 128;

/// Nanoseconds of CLOCK_MONOTONIC: 0 for this machine, since that clock starts at boot. A captured machine has always
/// been up for as long as its /proc/uptime says; None without that file.
pub fn boot_time_ns(roots: &Roots) -> Option<i64> {
    if !roots.captured() {
        return Some(0);
    }
    let file = File::from(roots.open_regular(Path::new(UPTIME)).ok()?);
    let text = read_to_string(file.take(MAX_LENGTH)).ok()?;
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    // NaN, or more than the clock can hold, is no time.
    (0.0..1e9).contains(&seconds).then(|| monotonic_ns() - (seconds * 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn this_machine_and_captured_ones() {
        assert_eq!(boot_time_ns(&Roots::machine().unwrap()), Some(0));
        let tree = tempfile::tempdir().unwrap();
        let roots = Roots::new(tree.path(), &[]).unwrap();
        assert_eq!(boot_time_ns(&roots), None);
        fs::create_dir(tree.path().join("proc")).unwrap();
        for odd in ["", "long ago\n", "nan 1\n", "inf\n", "-3.5 2\n", "1e300\n"] {
            fs::write(tree.path().join("proc/uptime"), odd).unwrap();
            assert_eq!(boot_time_ns(&roots), None, "{odd:?}");
        }
        fs::write(tree.path().join("proc/uptime"), "3600.25 7100.00\n").unwrap();
        let booted = boot_time_ns(&roots).unwrap();
        let up = monotonic_ns() - booted;
        assert!((3_600_250_000_000..3_601_000_000_000).contains(&up), "{up}");
    }
}
