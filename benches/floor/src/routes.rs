//! All routes there are, by name.

use std::io::Result;
use std::path::Path;

use crate::netlink::{Dump, Singles};
use crate::procfs_crate;
use crate::route::{Devices, Route, wrong};
use crate::statistics_files::StatisticsFiles;
use crate::text_file::TextFile;

/// The files of libvirt's eight counters; rx_drop is the sum of two.
const STATISTICS: [&str; 9] = [
    "rx_bytes",
    "rx_packets",
    "rx_errors",
    "rx_dropped",
    "rx_missed_errors",
    "tx_bytes",
    "tx_packets",
    "tx_errors",
    "tx_dropped",
];

pub(crate) const NAMES: [&str; 8] = [
    "netlink-dump",
    "netlink-singles",
    "proc-net-dev",
    "sysfs-statistics",
    "diskstats",
    "stat-files",
    "procfs-crate-interfaces",
    "procfs-crate-disks",
];

pub(crate) fn open(name: &str, devices: &Devices) -> Result<Box<dyn Route>> {
    Ok(match name {
        "netlink-dump" => Box::new(Dump::open()?),
        "netlink-singles" => Box::new(Singles::open(&devices.sys, &devices.interfaces)?),
        "proc-net-dev" => Box::new(TextFile::open(Path::new("/proc/net/dev"))?),
        "sysfs-statistics" => {
            let folder = |name: &String| devices.sys.join("class/net").join(name).join("statistics");
            let files = devices.interfaces.iter().map(folder);
            Box::new(StatisticsFiles::open(files.flat_map(|folder| STATISTICS.map(|name| folder.join(name))))?)
        }
        "diskstats" => Box::new(TextFile::open(Path::new("/proc/diskstats"))?),
        "stat-files" => {
            let file = |disk: &String| Path::new("/sys/dev/block").join(disk).join("stat");
            Box::new(StatisticsFiles::open(devices.disks.iter().map(file))?)
        }
        "procfs-crate-interfaces" => Box::new(procfs_crate::Interfaces),
        "procfs-crate-disks" => Box::new(procfs_crate::Disks),
        _ => return Err(wrong(&format!("no route {name}; there are: {}", NAMES.join(", ")))),
    })
}
