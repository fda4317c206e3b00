//! /proc/net/dev, kept open: it shows the network namespace of its opener for as long as it is open, and takes no lock
//! that a driver or a namespace's configuration can hold (RCU only, net/core/net-procfs.c).

use super::identity::Interfaces;
use super::line_table::{Format, LineTable};
use crate::fields::interface;
use crate::parse::netdev;

pub(crate) type NetDev = LineTable<NetDevFormat>;

pub(crate) struct NetDevFormat;

impl Format for NetDevFormat {
    const PATH: &'static str = "/proc/net/dev";
    type Key = Box<[u8]>;
    type View = bool;
    type Counters = netdev::Counters;
    type Table = interface::Table;
    type Identity = Interfaces;

    fn split(line: &[u8]) -> Option<(Box<[u8]>, &[u8])> {
        netdev::split(line).map(|(name, numbers)| (Box::from(name), numbers))
    }

    #[inline]
    fn rest_of<'line>(line: &'line [u8], name: &Box<[u8]>) -> Option<&'line [u8]> {
        netdev::numbers_of(line, name)
    }

    #[inline]
    fn counters(numbers: &[u8], _: usize) -> Option<netdev::Counters> {
        netdev::counters(numbers)
    }

    #[inline]
    fn record(counters: &netdev::Counters, swapped: bool) -> interface::Record {
        netdev::record(counters, swapped)
    }
}
