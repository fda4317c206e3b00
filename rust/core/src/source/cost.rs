//! What each way to an interface's or a disk's counters costs, and which is the cheapest for a plan.
//!
//! Nanoseconds, measured on two cores of a virtual machine under Linux 6.18, with veths and loop devices. Another machine's
//! are smaller or larger all together; what counts here is how they stand to each other. `make crossings` measures them.

/// A line of /proc/net/dev: the kernel's printing, and passing over it.
const PROC_LINE: usize = 1075;
/// Lines that the kernel prints at a time, wanted or not: a page of them.
const LINES_A_PAGE: usize = 31;
/// An interface in a dump of RTM_GETSTATS.
const DUMP_ROW: usize = 250;
/// A question for one interface among several, and its answer.
const SINGLE: usize = 1210;
/// Waking the thread that asks netlink in the poll's stead, and being woken.
const HEDGE: usize = 55_000;
/// A kept-open file of sysfs.
const SYSFS_FILE: usize = 650;
/// The files that the newest struct takes in the guest's view. libvirt's eight numbers take 9: rx_drop is the sum of two.
const SYSFS_FILES: usize = 13;
/// A line of /proc/diskstats.
const DISKSTATS_LINE: usize = 780;
/// A kept-open stat file of a block device.
const STAT_FILE: usize = 1400;

/// How an interface source is chosen without a wish of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheapest {
    Proc,
    Sysfs,
    Hedged,
}

/// The cheapest route that whoever holds RTNL cannot hold up, for `watched` of the `all` interfaces that there are, which
/// are among the first `lines` of them.
pub(crate) fn cheapest_interface_route(watched: usize, lines: usize, all: usize) -> Cheapest {
    let printed = lines.next_multiple_of(LINES_A_PAGE).min(all);
    let routes = [
        (printed * PROC_LINE, Cheapest::Proc),
        (watched * SYSFS_FILES * SYSFS_FILE, Cheapest::Sysfs),
        (HEDGE + (all * DUMP_ROW).min(watched * SINGLE), Cheapest::Hedged),
    ];
    routes.into_iter().min_by_key(|(cost, _)| *cost).map_or(Cheapest::Proc, |(_, route)| route)
}

/// Whether a dump of `all` interfaces beats a question for each of `watched`.
pub(crate) fn one_dump_is_cheaper(watched: usize, all: usize) -> bool {
    all * DUMP_ROW < watched * SINGLE
}

/// Whether one pass over the `lines` of /proc/diskstats beats a stat file for each of `watched` devices.
pub(crate) fn one_pass_is_cheaper(watched: usize, lines: usize) -> bool {
    lines * DISKSTATS_LINE < watched * STAT_FILE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes_of_typical_hosts() {
        assert_eq!(cheapest_interface_route(1, 1, 1), Cheapest::Proc);
        assert_eq!(cheapest_interface_route(10, 30, 30), Cheapest::Proc);
        assert_eq!(cheapest_interface_route(1, 1000, 1000), Cheapest::Sysfs);
        assert_eq!(cheapest_interface_route(1000, 1000, 1000), Cheapest::Hedged);
        assert_eq!(cheapest_interface_route(1, 1, 1000), Cheapest::Sysfs);
        assert_eq!(cheapest_interface_route(20, 25, 1000), Cheapest::Proc);
        assert!(one_dump_is_cheaper(1000, 2000));
        assert!(!one_dump_is_cheaper(1, 2000));
        assert!(one_pass_is_cheaper(500, 510));
        assert!(!one_pass_is_cheaper(1, 510));
    }
}
