//! What distinguishes the devices that have the same name or number one after the other.

/// The number that distinguishes successive devices of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceId {
    /// An interface: its number in its network namespace, which another one may get later, and the inode of its folder
    /// in sysfs, which none gets again (kernfs counts up, since Linux 4.14); 0 where /sys shows another namespace.
    Interface { index: u32, folder: u64 },
    /// A disk: its diskseq (since Linux 5.15, else 0), which a new medium changes, and the inode of its folder in sysfs.
    Disk { diskseq: u64, folder: u64 },
    /// A partition: the diskseq of its disk, and the inode of its own folder, which is another one once it was deleted
    /// and added again.
    Partition { diskseq: u64, folder: u64 },
    /// A virtual function: its card's interface, and its number.
    Function { card: u32, number: u32 },
    /// A disk that a VMM counts: where its answers are, and the run of the VMM.
    Reported { answers: usize, run: u64 },
    /// A process: its pid and its start time.
    Process { pid: u32, started: u64 },
    /// The device that an open file belongs to, which no other device inherits.
    OpenFile(usize),
    /// Whatever has the key. Successive devices cannot be distinguished: on a captured machine they do not change.
    Unnumbered,
}

impl DeviceId {
    /// Whether this is the device that a row is pinned to, by ifindex or diskseq.
    pub(crate) fn is_pinned_by(self, pin: u64) -> bool {
        match self {
            DeviceId::Interface { index, .. } => u64::from(index) == pin,
            DeviceId::Disk { diskseq, .. } | DeviceId::Partition { diskseq, .. } => diskseq == pin,
            _ => true,
        }
    }

    /// Whether an open file of the `earlier` device is one of this device, too: a disk with another medium.
    pub(crate) fn has_same_files(self, earlier: DeviceId) -> bool {
        match (self, earlier) {
            (DeviceId::Disk { folder: own, .. }, DeviceId::Disk { folder, .. })
            | (DeviceId::Partition { folder: own, .. }, DeviceId::Partition { folder, .. }) => own == folder,
            _ => self == earlier,
        }
    }
}
