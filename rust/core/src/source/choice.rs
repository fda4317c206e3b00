//! Which source reads a plan's rows, where the kernel offers several.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::Source;
use super::block_stat::BlockStat;
use super::diskstats::Diskstats;
use super::uncounted::Uncounted;
use super::xen_vbd::XenVbds;
use super::{line_table::Format, netdev};
use crate::fields::{block, interface};
use crate::parse::diskstats::DeviceNumber;
use crate::plan::{BlockRow, InterfaceRow};
use crate::roots::Roots;

/// Lines of /proc/diskstats that cost as much as one kept-open stat file. Measured on two cores of a virtual machine under
/// Linux 6.18: 510 devices took 165 us by /proc/diskstats and 540 us by their stat files.
const LINES_A_STAT_FILE: usize = 3;

/// The sources of the block table.
pub(crate) fn block(roots: &Roots, rows: &[BlockRow]) -> Vec<Box<dyn Source>> {
    let devices = rows.iter().enumerate().filter_map(|(index, row)| match row {
        BlockRow::Device(number) => Some((*number, index)),
        _ => None,
    });
    let vbds = rows.iter().enumerate().filter_map(|(index, row)| match row {
        BlockRow::XenVbd(vbd) => Some((vbd.clone(), index)),
        _ => None,
    });
    let uncounted = rows.iter().enumerate().filter(|(_, row)| **row == BlockRow::Uncounted).map(|(index, _)| index);
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let devices: Vec<(DeviceNumber, usize)> = devices.collect();
    if one_pass_is_cheaper(roots, &devices) {
        sources.push(Box::new(Diskstats::open(roots, devices.into_iter().map(|(number, row)| (number, row, ())))));
    } else if !devices.is_empty() {
        sources.push(Box::new(BlockStat::open(roots, devices)));
    }
    let vbds: Vec<_> = vbds.collect();
    if !vbds.is_empty() {
        sources.push(Box::new(XenVbds::open(roots, vbds)));
    }
    push_uncounted::<block::Table>(&mut sources, uncounted.collect());
    sources
}

/// The sources of the interface table.
pub(crate) fn interface(roots: &Roots, rows: &[InterfaceRow]) -> Vec<Box<dyn Source>> {
    let by_name: Vec<_> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| match row {
            InterfaceRow::NetDevice { name, swapped } => Some((name.as_os_str(), index, *swapped)),
            InterfaceRow::Uncounted => None,
        })
        .collect();
    let uncounted = rows.iter().enumerate().filter(|(_, row)| **row == InterfaceRow::Uncounted).map(|(index, _)| index);
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if !by_name.is_empty() {
        sources.push(Box::new(netdev::open(roots, by_name)));
    }
    push_uncounted::<interface::Table>(&mut sources, uncounted.collect());
    sources
}

fn push_uncounted<T: crate::fields::Table + Send + 'static>(sources: &mut Vec<Box<dyn Source>>, rows: Vec<usize>) {
    if !rows.is_empty() {
        sources.push(Box::new(Uncounted::<T>::new(rows)));
    }
}

/// Whether one pass over /proc/diskstats beats a stat file for each watched device. It also wins where only it is there, as
/// in a captured tree; without it the stat files are what is left.
fn one_pass_is_cheaper(roots: &Roots, devices: &[(DeviceNumber, usize)]) -> bool {
    let Ok(file) = roots.open_regular(Path::new(super::diskstats::DiskstatsFormat::PATH)) else { return false };
    let lines = BufReader::new(std::fs::File::from(file)).split(b'\n').map_while(Result::ok).count();
    let watched = devices.iter().map(|(number, _)| number).collect::<HashSet<_>>().len();
    let has_stat_files = roots.open(Path::new("/sys/dev/block")).is_ok();
    watched > 0 && (!has_stat_files || lines <= watched * LINES_A_STAT_FILE)
}
