//! /proc/net/dev, kept open. It always shows the network namespace in which it was opened, and reading it takes RCU
//! only, no lock that a driver or network configuration can hold (net/core/net-procfs.c).

use std::sync::Arc;

use super::line_table::{Format, LineTable};
use crate::fields::interface;
use crate::parse::netdev;
use crate::roots::Roots;
use crate::source::identity::interfaces::Interfaces;
use crate::source::net::namespace::NET_DEV;

pub(crate) type NetDev = LineTable<NetDevFormat>;

pub(crate) struct NetDevFormat;

impl Format for NetDevFormat {
    const PATH: &'static str = NET_DEV;
    type Key = Box<[u8]>;
    type View = bool;
    type Counters = netdev::Counters;
    type Table = interface::Table;
    type Identity = Interfaces;

    fn identity(roots: &Arc<Roots>, path: &str) -> Option<Interfaces> {
        Interfaces::open(roots, path)
    }

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
    fn record(counters: &netdev::Counters, swap_rx_tx: bool) -> interface::Record {
        netdev::record(counters, swap_rx_tx)
    }
}
