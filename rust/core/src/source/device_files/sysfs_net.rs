//! /sys/class/net/NAME/statistics, each file kept open: one number per file.
//!
//! For each read the kernel collects all counters of the interface (dev_get_stats), so this pays only for a few
//! interfaces of many. It takes no lock. After the interface is removed, an open file returns 0, then EINVAL for a
//! moment, then ENODEV for ever. A rename does not affect it.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, pread, retry_on_intr};

use super::{DeviceFiles, Handle, if_expected};
use crate::fields::{WORD, interface};
use crate::parse::{decimal, netdev};
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::net::rows::SwapRxTx;

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

pub(crate) type SysfsNet = DeviceFiles<Statistics>;

const CLASS: &str = "/sys/class/net";

/// An interface to open.
#[derive(Clone, PartialEq)]
pub(crate) struct Interface {
    pub(crate) name: Box<[u8]>,
    pub(crate) swap_rx_tx: SwapRxTx,
    /// The number of the expected interface, if only one is.
    pub(crate) index: Option<u32>,
}

/// The number of the interface of this name in the network namespace of /sys.
pub(crate) fn index_in_sysfs(roots: &Roots, name: &[u8]) -> Result<u32, Failure> {
    let file = roots.open_regular(&Path::new(CLASS).join(OsStr::from_bytes(name)).join("ifindex"))?;
    let text = std::io::read_to_string(fs::File::from(file));
    let text = text.map_err(|error| unless_removed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let number = decimal::only(text.as_bytes()).and_then(|number| u32::try_from(number).ok());
    number.ok_or(Failure::Malformed("the interface has no number"))
}

/// EINVAL means that the interface is being removed.
fn unless_removed(errno: Errno) -> Errno {
    if errno == Errno::INVAL { Errno::NODEV } else { errno }
}

/// The open files of an interface.
pub(crate) struct Statistics {
    files: Vec<File>,
    swap_rx_tx: SwapRxTx,
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

    fn open(
        roots: &Roots,
        Interface { name, swap_rx_tx, index }: &Interface,
    ) -> (PathBuf, Result<Statistics, Failure>) {
        let folder = Path::new(CLASS).join(OsStr::from_bytes(name)).join("statistics");
        let (swap_rx_tx, mut files) = (*swap_rx_tx, Vec::new());
        for (column, names) in COLUMNS.iter().enumerate() {
            // The guest's view has no word for some columns.
            let Some(offset) = offset_of(column, swap_rx_tx) else { continue };
            for name in *names {
                match roots.open_regular(&folder.join(name)) {
                    Ok(file) => files.push(File { file, column, offset }),
                    Err(error) => return (roots.shown(&folder), Err(error.into())),
                }
            }
        }
        let actual = || index_in_sysfs(roots, name).map(Some);
        (roots.shown(&folder), if_expected(Statistics { files, swap_rx_tx }, *index, actual))
    }

    fn counters(&self, size: usize, calls: &mut usize) -> Result<interface::Record, Failure> {
        let mut columns = [0; 16];
        for File { file, column, .. } in self.files.iter().filter(|file| file.offset < size) {
            let mut text = [0; 32];
            *calls += 1;
            let length = retry_on_intr(|| pread(file, &mut text, 0)).map_err(unless_removed)?;
            let number = decimal::only(&text[..length]).filter(|number| *number >= 0);
            columns[*column] = number
                .and_then(|number| number.checked_add(columns[*column]))
                .ok_or(Failure::Malformed("not a counter"))?;
        }
        Ok(netdev::record(&columns, self.swap_rx_tx))
    }
}

/// The offset of a column in the struct.
fn offset_of(column: usize, swap_rx_tx: SwapRxTx) -> Option<usize> {
    let marked = std::array::from_fn(|other| i64::from(other == column));
    netdev::record(&marked, swap_rx_tx).iter().position(|word| *word == 1).map(|word| word * WORD)
}
