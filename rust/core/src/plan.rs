//! What a poller reads: a flat list of rows for each table. Sources know no domain names.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::latest_stats::LatestStats;
use crate::parse::diskstats::DeviceNumber;
use crate::state::State;

/// The rows of a sample, in its order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The rows of the block table.
    pub block: Vec<BlockRow>,
    /// The rows of the interface table.
    pub interface: Vec<InterfaceRow>,
}

/// The rows that a new plan carries over from the old one: the old index of each of its rows, None for a new row.
#[derive(Clone, Debug, Default)]
pub struct CarriedOver {
    /// Of the block table.
    pub block: Vec<Option<usize>>,
    /// Of the interface table.
    pub interface: Vec<Option<usize>>,
}

/// How interfaces are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterfaceSource {
    /// The cheapest route that RTNL, the kernel's lock for network configuration, cannot block.
    #[default]
    Auto,
    /// /proc/net/dev.
    Proc,
    /// The statistics files of each interface.
    Sysfs,
    /// RTM_GETSTATS: the fastest for many interfaces, but every poll waits for RTNL.
    Netlink,
    /// RTM_GETSTATS in a thread, and /proc/net/dev when it misses its deadline: what `Auto` chooses for many
    /// interfaces.
    Hedged,
}

/// Where a block device's counters are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BlockRow {
    /// A block device of this host.
    Device {
        /// Major and minor.
        number: DeviceNumber,
        /// The diskseq of the only disk that the row shows; without it, any disk that has the number.
        diskseq: Option<u64>,
    },
    /// The statistics folder of a Xen backend.
    XenVbd(XenVbd),
    /// The I/O of all processes of a control group.
    CgroupIo(CgroupIo),
    /// The I/O of a process.
    ProcessIo(ProcessIo),
    /// The statistics page of a tapdisk.
    Tapdisk(Tapdisk),
    /// A disk that only its VMM counts: the newest counters that a client got.
    VmmReported(Arc<LatestStats>),
    /// A known device without a counter source.
    WithoutCounters(WhyNot),
}

/// Why a device has no counter source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhyNot {
    /// Nothing in the kernel counts it.
    Unsupported,
    /// Finding the source takes a privilege.
    Denied,
    /// The source is not there.
    Missing,
    /// Where the source is could not be read.
    Unreadable,
}

impl WhyNot {
    /// All of them.
    pub const ALL: [WhyNot; 4] = [WhyNot::Unsupported, WhyNot::Denied, WhyNot::Missing, WhyNot::Unreadable];

    /// The state of the row.
    pub const fn state(self) -> State {
        match self {
            WhyNot::Unsupported => State::Unsupported,
            WhyNot::Denied => State::Denied,
            WhyNot::Missing => State::Missing,
            WhyNot::Unreadable => State::Unreadable,
        }
    }
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

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CgroupIo {
    /// Its folder below /sys/fs/cgroup.
    pub folder: PathBuf,
    /// Which files it has.
    pub version: CgroupVersion,
}

/// The version of a control group hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupVersion {
    /// Version 1, of the blkio controller: blkio.throttle.io_service_bytes and io_serviced.
    V1,
    /// Version 2, the unified hierarchy: io.stat.
    V2,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessIo {
    /// Its number.
    pub pid: u32,
    /// When it was started (/proc/PID/stat, field 22): a later process of this number has another start time. Without
    /// it, any process that has the number.
    pub started: Option<u64>,
}

/// Where an interface's counters are, and in which direction the row shows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceRow {
    /// A network interface of this host.
    NetDevice {
        /// Its name in its network namespace.
        name: OsString,
        /// The namespace, as /run/netns/NAME or /proc/PID/ns/net; None is the one of the machine's /proc/net/dev.
        namespace: Option<PathBuf>,
        /// The number of the only interface that the row shows; without it, any interface that has the name.
        index: Option<u32>,
        /// Whether rx and tx change places: the host sends on a tap what the guest receives.
        swap_rx_tx: bool,
    },
    /// A virtual function of a network card, counted by its physical function.
    VirtualFunction {
        /// The physical function's interface.
        device: OsString,
        /// The function's number.
        number: u32,
        /// The network namespace of the physical function's interface, as above.
        namespace: Option<PathBuf>,
        /// Whether rx and tx change places. The card already counts a function in the guest's view.
        swap_rx_tx: bool,
    },
    /// A known interface without a counter source.
    WithoutCounters(WhyNot),
}
