//! /sys/class/net/NAME/statistics, each file kept open: one number per file.
//!
//! For each read the kernel collects all counters of the interface (dev_get_stats), so this pays only for a few
//! interfaces of many. It takes no lock. After the interface is removed, an open file returns 0, then EINVAL for a
//! moment, then ENODEV for ever. A rename does not affect it, but the row is gone: the name may be another interface's.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};

use super::{DeviceFiles, Handle, regular_file};
use crate::fields::{WORD, interface};
use crate::parse::{decimal, netdev};
use crate::roots::Roots;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::interfaces::Interfaces;
use crate::source::identity::tracked_interfaces::SwapRxTx;
use crate::source::net::namespace::NET_DEV;
use crate::source::net::sysfs;
use crate::source::{Failure, OpenHandles};

/// The files whose sum is each column of /proc/net/dev (dev_seq_printf_stats).
const COLUMNS: [&[&str]; 16] = [
    &["rx_bytes"],
    &["rx_packets"],
    &["rx_errors"],
    &["rx_dropped", "rx_missed_errors"],
    &["rx_fifo_errors"],
    &["rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors"],
    &["rx_compressed"],
    &["multicast"],
    &["tx_bytes"],
    &["tx_packets"],
    &["tx_errors"],
    &["tx_dropped"],
    &["tx_fifo_errors"],
    &["collisions"],
    &["tx_carrier_errors", "tx_aborted_errors", "tx_window_errors", "tx_heartbeat_errors"],
    &["tx_compressed"],
];

pub(crate) type SysfsNet = DeviceFiles<Statistics, Interfaces>;

/// Opens the interfaces of the machine's network namespace, which /sys shows, too.
pub(crate) fn open(
    roots: &Arc<Roots>,
    interfaces: impl IntoIterator<Item = (Interface, usize)>,
    open: &mut OpenHandles,
    why: String,
) -> SysfsNet {
    #[expect(clippy::borrowed_box, reason = "it is the key of the identity")]
    fn name(interface: &Interface) -> &Box<[u8]> {
        &interface.name
    }
    let identity = Interfaces::open(roots, NET_DEV).map(|identity| (identity, name as _));
    SysfsNet::open_numbered(roots, interfaces, open, why, identity)
}

/// An interface to open.
#[derive(Clone, PartialEq)]
pub(crate) struct Interface {
    pub(crate) name: Box<[u8]>,
    pub(crate) swap_rx_tx: SwapRxTx,
    /// The number of the expected interface, if only one is.
    pub(crate) index: Option<u32>,
}

/// The open files of an interface.
pub(crate) struct Statistics {
    files: Vec<File>,
    swap_rx_tx: SwapRxTx,
    id: DeviceId,
}

struct File {
    file: OwnedFd,
    /// The column that its number adds to.
    column: usize,
    /// The offset of that column in the struct: a smaller struct does not need this file.
    offset: usize,
}

impl Handle for Statistics {
    type Device = Interface;
    type Table = interface::Table;

    fn open(roots: &Roots, Interface { name, swap_rx_tx, .. }: &Interface) -> (PathBuf, Result<Statistics, Failure>) {
        let path = Path::new(sysfs::CLASS).join(OsStr::from_bytes(name)).join("statistics");
        (roots.shown(&path), Statistics::open(roots, name, *swap_rx_tx))
    }

    fn id(&self) -> Option<DeviceId> {
        Some(self.id)
    }

    fn pin(interface: &Interface) -> Option<u64> {
        interface.index.map(u64::from)
    }

    fn counters(&self, size: usize, calls: &mut usize) -> Result<interface::Record, Failure> {
        let mut columns = [0; 16];
        for File { file, column, .. } in self.files.iter().filter(|file| file.offset < size) {
            let mut text = [0; 32];
            *calls += 1;
            let length = retry_on_intr(|| pread(file, &mut text, 0)).map_err(sysfs::unless_removed)?;
            let number = decimal::counter(&text[..length]).ok_or(Failure::Malformed("not a counter"))?;
            columns[*column] = decimal::sum(columns[*column], number);
        }
        Ok(netdev::record(&columns, self.swap_rx_tx))
    }
}

impl Statistics {
    /// Opens the files below the interface's folder: by their paths they could belong to several that change names.
    fn open(roots: &Roots, name: &[u8], swap_rx_tx: SwapRxTx) -> Result<Statistics, Failure> {
        let folder = sysfs::folder(roots, name)?;
        let id = match sysfs::index(&folder) {
            Ok(index) => DeviceId::Interface { index, folder: fstat(&folder)?.st_ino },
            // Only a captured machine may lack it.
            Err(Failure::Errno(Errno::NOENT)) => DeviceId::Unnumbered,
            Err(failure) => return Err(failure),
        };
        let mut files = Vec::new();
        for (column, names) in COLUMNS.iter().enumerate() {
            // The guest's view has no word for some columns.
            let Some(offset) = offset_of(column, swap_rx_tx) else { continue };
            for name in *names {
                let file = regular_file(&folder, &format!("statistics/{name}"))?;
                files.push(File { file, column, offset });
            }
        }
        Ok(Statistics { files, swap_rx_tx, id })
    }
}

/// The offset of a column in the struct.
fn offset_of(column: usize, swap_rx_tx: SwapRxTx) -> Option<usize> {
    let marked = std::array::from_fn(|other| i64::from(other == column));
    netdev::record(&marked, swap_rx_tx).iter().position(|word| *word == 1).map(|word| word * WORD)
}
