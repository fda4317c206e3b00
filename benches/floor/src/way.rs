//! The ways to ask the kernel.

use std::io::Result;
use std::path::{Path, PathBuf};

use crate::netlink::{Dump, Singles};
use crate::statistics_files::StatisticsFiles;
use crate::text_file::TextFile;
use crate::{procfs_crate, wrong};

/// A way with its handles open.
pub(crate) trait Way {
    /// Asks once for everything, and hands out what comes, unread.
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// What the kernel says in one round.
    fn show(&mut self) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.round(&mut |bytes| answer.extend_from_slice(bytes))?;
        Ok(answer)
    }

    /// Whether the rounds took all there was. Not measured.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What is asked about.
pub(crate) struct Devices {
    /// The /sys of the network namespace.
    pub(crate) sys: PathBuf,
    pub(crate) interfaces: Vec<String>,
    pub(crate) disks: Vec<String>,
}

/// The files of an interface that libvirt's eight numbers are in; rx_drop is the sum of two.
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

pub(crate) fn open(name: &str, devices: &Devices) -> Result<Box<dyn Way>> {
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
        _ => return Err(wrong(&format!("no way {name}; there are: {}", NAMES.join(", ")))),
    })
}
