//! Bytes in, numbers out. No parser opens a file; every length is checked, and every number may overflow.

pub mod block_stat;
pub mod cgroup_io;
pub mod decimal;
pub mod diskstats;
pub mod inotify;
pub mod link_stats;
pub mod links;
pub mod netdev;
pub mod netlink;
pub mod process_io;
pub mod tapdisk;
pub mod uevent;
pub mod unix_diag;
pub mod vf_stats;
pub mod xen_vbd;
