//! The cost of each route to the counters of interfaces and disks, and the cheapest route for a plan.
//!
//! In nanoseconds, measured by `make crossings` on two cores of a virtual machine under Linux 6.18, with veths and loop
//! devices. Other machines differ, but only the ratios matter here.

/// A line of /proc/net/dev: printed by the kernel, skipped by the parser.
const PROC_LINE: usize = 1075;
/// The kernel prints whole pages of lines.
const LINES_PER_PAGE: usize = 31;
/// An interface in a dump of RTM_GETSTATS.
const DUMP_ROW: usize = 250;
/// A query for one of several interfaces, and its reply.
const SINGLE: usize = 1210;
/// Waking the thread that queries netlink for the poll, and being woken by it.
const HEDGE: usize = 55_000;
/// A kept-open file of sysfs.
const SYSFS_FILE: usize = 650;
/// The files for the newest struct in the guest's view. libvirt's eight counters take 9: rx_drop is the sum of two.
const SYSFS_FILES: usize = 13;
/// A line of /proc/diskstats.
const DISKSTATS_LINE: usize = 780;
/// A kept-open stat file of a block device.
const STAT_FILE: usize = 1400;

/// The routes to interface counters that RTNL cannot block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheapest {
    Proc,
    Sysfs,
    Hedged,
}

/// The cheapest route for `tracked` of `all` interfaces, which are among the first `lines` lines. `sysfs` is whether
/// /sys shows them.
pub(crate) fn cheapest_interface_route(tracked: usize, lines: usize, all: usize, sysfs: bool) -> Cheapest {
    let printed = lines.next_multiple_of(LINES_PER_PAGE).min(all);
    let routes = [
        (printed * PROC_LINE, Cheapest::Proc),
        (if sysfs { tracked * SYSFS_FILES * SYSFS_FILE } else { usize::MAX }, Cheapest::Sysfs),
        (HEDGE + (all * DUMP_ROW).min(tracked * SINGLE), Cheapest::Hedged),
    ];
    routes.into_iter().min_by_key(|(cost, _)| *cost).map_or(Cheapest::Proc, |(_, route)| route)
}

/// Whether a dump of `all` interfaces is cheaper than a query for each tracked one.
pub(crate) fn one_dump_is_cheaper(tracked: usize, all: usize) -> bool {
    all * DUMP_ROW < tracked * SINGLE
}

/// Whether one pass over /proc/diskstats is cheaper than a stat file for each tracked device.
pub(crate) fn one_pass_is_cheaper(tracked: usize, lines: usize) -> bool {
    lines * DISKSTATS_LINE < tracked * STAT_FILE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_typical_hosts() {
        let cheapest = |tracked, lines, all| cheapest_interface_route(tracked, lines, all, true);
        assert_eq!(cheapest(1, 1, 1), Cheapest::Proc);
        assert_eq!(cheapest(10, 30, 30), Cheapest::Proc);
        assert_eq!(cheapest(1, 1000, 1000), Cheapest::Sysfs);
        assert_eq!(cheapest(1000, 1000, 1000), Cheapest::Hedged);
        assert_eq!(cheapest(1, 1, 1000), Cheapest::Sysfs);
        assert_eq!(cheapest(20, 25, 1000), Cheapest::Proc);
        assert_eq!(cheapest_interface_route(1, 1, 1, false), Cheapest::Proc);
        assert_eq!(cheapest_interface_route(1, 4000, 4000, false), Cheapest::Hedged, "others' interfaces cost nothing");
        assert!(one_dump_is_cheaper(1000, 2000));
        assert!(!one_dump_is_cheaper(1, 2000));
        assert!(one_pass_is_cheaper(500, 510));
        assert!(!one_pass_is_cheaper(1, 510));
    }
}
