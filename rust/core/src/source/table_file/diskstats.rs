//! /proc/diskstats, kept open: all block devices of the host in one pass.

use std::sync::Arc;

use super::line_table::{Format, LineTable};
use crate::fields::block;
use crate::parse::block_stat;
use crate::parse::diskstats::{self, DeviceNumber};
use crate::roots::Roots;
use crate::source::identity::disks::Disks;

pub(crate) type Diskstats = LineTable<DiskstatsFormat>;

pub(crate) struct DiskstatsFormat;

impl Format for DiskstatsFormat {
    const PATH: &'static str = "/proc/diskstats";
    type Key = DeviceNumber;
    type View = ();
    type Counters = block::Record;
    type Table = block::Table;
    type Identity = Disks;

    fn identity(roots: &Arc<Roots>, _: &str) -> Option<Disks> {
        Disks::open(roots)
    }

    fn split(line: &[u8]) -> Option<(DeviceNumber, &[u8])> {
        diskstats::device(line)
    }

    #[inline]
    fn rest_of<'line>(line: &'line [u8], number: &DeviceNumber) -> Option<&'line [u8]> {
        diskstats::device(line).filter(|(found, _)| found == number).map(|(_, rest)| rest)
    }

    #[inline]
    fn counters(rest: &[u8], size: usize) -> Option<block::Record> {
        diskstats::numbers(rest).and_then(|numbers| block_stat::record_within(numbers, size))
    }

    #[inline]
    fn record(counters: &block::Record, (): ()) -> block::Record {
        *counters
    }
}
