//! When the machine booted, on the monotonic clock of the rows.

use std::fs::{self, File};
use std::io::{Read, read_to_string};
use std::path::Path;

use rustix::fs::stat;

use crate::clock::monotonic_ns;
use crate::roots::Roots;

const OFFSETS: &str = "/proc/self/timens_offsets";
const UPTIME: &str = "/proc/uptime";
const MAX_LENGTH: u64 = 128;

/// The inode of the first time namespace (PROC_TIME_INIT_INO, include/linux/proc_ns.h).
const FIRST_TIME_NAMESPACE: u64 = 0xEFFF_FFFA;

/// Nanoseconds of CLOCK_MONOTONIC: 0 for this machine, since that clock starts at boot, but for a time namespace. A
/// captured machine has always been up for as long as its /proc/uptime says; None without that file.
pub fn boot_time_ns(roots: &Roots) -> Option<i64> {
    if !roots.captured() {
        return clock_offset();
    }
    let file = File::from(roots.open_regular(Path::new(UPTIME)).ok()?);
    let text = read_to_string(file.take(MAX_LENGTH)).ok()?;
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    // NaN, or more than the clock can hold, is no time.
    (0.0..1e9).contains(&seconds).then(|| monotonic_ns() - (seconds * 1e9) as i64)
}

/// What this process's time namespace (time_namespaces(7), since Linux 5.6) adds to the machine's CLOCK_MONOTONIC. None if
/// that cannot be read.
fn clock_offset() -> Option<i64> {
    let inode = |namespace: &str| stat(format!("/proc/self/ns/{namespace}")).map(|status| status.st_ino);
    match inode("time") {
        Err(_) | Ok(FIRST_TIME_NAMESPACE) => Some(0),
        // The file has the offsets of the namespace that children will be in.
        Ok(own) if inode("time_for_children") == Ok(own) => offset(&fs::read_to_string(OFFSETS).ok()?),
        Ok(_) => None,
    }
}

/// The nanoseconds of the line `monotonic SECONDS NANOSECONDS`.
fn offset(text: &str) -> Option<i64> {
    let mut words = text.lines().find_map(|line| line.strip_prefix("monotonic"))?.split_ascii_whitespace();
    let mut number = || words.next()?.parse::<i64>().ok();
    number()?.checked_mul(1_000_000_000)?.checked_add(number()?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_offset_of_a_time_namespace() {
        assert_eq!(
            offset("monotonic        3600         5\nboottime            7         0\n"),
            Some(3_600_000_000_005)
        );
        assert_eq!(offset("monotonic          -3 900000000\n"), Some(-2_100_000_000));
        for odd in ["", "boottime 7 0\n", "monotonic x 0\n", "monotonic 7\n", "monotonic 9223372036854775807 0\n"] {
            assert_eq!(offset(odd), None, "{odd:?}");
        }
    }

    /// Runs itself in a time namespace whose clock is 1,000,000 s ahead.
    #[test]
    fn a_time_namespace_does_not_move_the_boot() {
        const INSIDE: &str = "VMIOSTAT_TEST_IN_TIME_NAMESPACE";
        let booted = boot_time_ns(&Roots::machine().unwrap());
        if std::env::var_os(INSIDE).is_some() {
            assert_eq!(booted, Some(1_000_000_000_000_000));
            return;
        }
        let this = std::env::current_exe().unwrap();
        let mut inside = Command::new("unshare");
        inside.args(["--time", "--fork", "--monotonic=1000000"]).arg(this).env(INSIDE, "1");
        let ran =
            inside.args(["--exact", "boot_time::tests::a_time_namespace_does_not_move_the_boot"]).output().unwrap();
        let printed = String::from_utf8_lossy(&ran.stderr).into_owned();
        if printed.contains("unshare failed") || printed.contains("unrecognized option") {
            return eprintln!("skipped: needs root and time namespaces: {printed}");
        }
        assert!(ran.status.success(), "{printed}{}", String::from_utf8_lossy(&ran.stdout));
    }

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
