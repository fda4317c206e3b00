//! What a poller is to read: a flat list of rows a record type. Names of domains are no business of a source's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::latest_stats::Report;
use crate::parse::diskstats::DeviceNumber;

/// The rows of a sample, in its order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The rows of the block table.
    pub block: Vec<BlockRow>,
    /// The rows of the interface table.
    pub interface: Vec<InterfaceRow>,
}

/// Which rows of a plan go on in the next: for each of its rows the number that it had, none for a new one.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Of the block table.
    pub block: Vec<Option<usize>>,
    /// Of the interface table.
    pub interface: Vec<Option<usize>>,
}

/// How interfaces are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterfaceSource {
    /// The cheapest route that nobody who holds RTNL, the kernel's lock for network configuration, can hold up.
    #[default]
    Auto,
    /// /proc/net/dev.
    Proc,
    /// The statistics files of each interface.
    Sysfs,
    /// RTM_GETSTATS: the fastest where many are watched, and held up by whoever holds RTNL.
    Netlink,
    /// RTM_GETSTATS asked by a thread, and /proc/net/dev when that does not answer in time: `Auto`'s way for many.
    Hedged,
}

/// Where a block device's counters are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BlockRow {
    /// A block device of this host.
    Device {
        /// Major and minor.
        number: DeviceNumber,
        /// The only disk that the row is about, by the kernel's count of disks; without it whichever has the number.
        diskseq: Option<u64>,
    },
    /// A Xen backend's statistics folder.
    XenVbd(XenVbd),
    /// All that a control group's processes do.
    CgroupIo(CgroupIo),
    /// All that a process does, by its number.
    ProcessIo(u32),
    /// A page of tapdisk's statistics.
    Tapdisk(Tapdisk),
    /// What an asker hands over of a disk that only its VMM counts.
    Reported(Arc<Report>),
    /// A device that is known and that nothing counts.
    Uncounted,
}

/// A Xen block backend, by the name of its folder: `KIND-DOMID-DEVID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct XenVbd {
    /// `vbd` (blkback) or `tap` (blktap).
    pub kind: XenVbdKind,
    /// The domain that uses the disk.
    pub domid: u32,
    /// The disk's number in that domain: 51712 is xvda.
    pub devid: u32,
}

/// A disk that tapdisk3 serves (XenServer, XCP-ng), by the name of its page: `td3-PID/vbd-DOMID-DEVID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tapdisk {
    /// The tapdisk process.
    pub pid: u32,
    /// The domain that uses the disk.
    pub domid: u32,
    /// The disk's number in that domain.
    pub devid: u32,
}

/// Which backend driver serves a Xen disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XenVbdKind {
    /// The kernel's blkback.
    Vbd,
    /// blktap of XenLinux and XenServer.
    Tap,
}

impl XenVbdKind {
    /// The word in the folder's name.
    pub const fn word(self) -> &'static str {
        match self {
            XenVbdKind::Vbd => "vbd",
            XenVbdKind::Tap => "tap",
        }
    }
}

/// A control group whose I/O the kernel counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CgroupIo {
    /// Its folder, below /sys/fs/cgroup.
    pub folder: PathBuf,
    /// Which files it has.
    pub version: CgroupVersion,
}

/// The two kinds of hierarchies of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupVersion {
    /// A hierarchy of the blkio controller: blkio.throttle.io_service_bytes and io_serviced.
    V1,
    /// The unified one: io.stat.
    V2,
}

/// Where an interface's counters are, and whose view the row takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceRow {
    /// A network interface of this host.
    NetDevice {
        /// Its name in its network namespace.
        name: OsString,
        /// The namespace, as /run/netns/NAME or /proc/PID/ns/net; none is the one that the machine's /proc/net/dev shows.
        namespace: Option<PathBuf>,
        /// The only interface that the row is about, by its number; without it whichever has the name.
        index: Option<u32>,
        /// Whether the host's transmit side is this row's rx: the guest's view of a tap.
        swapped: bool,
    },
    /// A virtual function of a network card, which its physical function counts.
    VirtualFunction {
        /// The physical function's interface.
        device: OsString,
        /// The function's number.
        number: u32,
        /// The network namespace of the physical function's interface, as above.
        namespace: Option<PathBuf>,
        /// Whether the function's tx is this row's rx. Its own view is the guest's.
        swapped: bool,
    },
    /// An interface that is known and that nothing counts.
    Uncounted,
}
