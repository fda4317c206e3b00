//! Which source reads a plan's rows, where the kernel offers several.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::block_sizes::WithSizes;
use super::cost::{self, Cheapest};
use super::device_files::block_stat::BlockStat;
use super::device_files::cgroup_io::{self, CgroupIos};
use super::device_files::process_io::ProcessIos;
use super::device_files::sysfs_net::{self, SysfsNet};
use super::device_files::tapdisk::Tapdisks;
use super::device_files::xen_vbd::XenVbds;
use super::net::index::InterfaceIndex;
use super::net::namespace;
use super::net::rows::{InterfaceRows, Named};
use super::netlink::getstats::Rtnetlink;
use super::netlink::hedged::Hedged;
use super::netlink::vf_stats::{Card, FunctionRow, VirtualFunctions};
use super::table_file::diskstats::{Diskstats, DiskstatsFormat};
use super::table_file::identity::{Disks, Interfaces};
use super::table_file::line_table::{Format, LineFile};
use super::table_file::netdev::{NetDev, NetDevFormat};
use super::tracked_devices::Watched;
use super::unsupported::Uncounted;
use super::vmm_reported::Reported;
use super::{OpenHandles, Source};
use crate::fields::{Table, block, interface};
use crate::parse::{diskstats::DeviceNumber, netdev};
use crate::plan::{BlockRow, InterfaceRow, InterfaceSource};
use crate::roots::Roots;

type Sources = Vec<Box<dyn Source>>;

/// The sources of the block table; what is among the `open` handles is not opened again.
pub(crate) fn block(roots: &Roots, rows: &[BlockRow], mut open: OpenHandles) -> Sources {
    let (mut groups, mut processes, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    let (mut devices, mut vbds, mut tapdisks, mut uncounted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match row {
            BlockRow::Device { number, diskseq } => devices.push(((*number, *diskseq), index)),
            BlockRow::XenVbd(vbd) => vbds.push((vbd.clone(), index)),
            BlockRow::CgroupIo(group) => groups.push((group.clone(), index)),
            BlockRow::ProcessIo(pid) => processes.push((*pid, index)),
            BlockRow::Tapdisk(tapdisk) => tapdisks.push((tapdisk.clone(), index)),
            BlockRow::Reported(report) => reports.push((Arc::clone(report), index)),
            BlockRow::Uncounted => uncounted.push(index),
        }
    }
    let mut sources = Sources::new();
    if !devices.is_empty() {
        sources.push(block_devices(roots, devices, &mut open));
    }
    if !vbds.is_empty() {
        sources.push(Box::new(XenVbds::open(roots, vbds, &mut open, "the only place where blkback counts".to_owned())));
    }
    if !groups.is_empty() {
        let stacked = cgroup_io::stacked(roots);
        let groups = groups.into_iter().map(|(group, row)| ((group, stacked.clone()), row));
        sources.push(Box::new(CgroupIos::open(
            roots,
            groups,
            &mut open,
            "all that a control group's processes do".to_owned(),
        )));
    }
    if !processes.is_empty() {
        sources.push(Box::new(ProcessIos::open(roots, processes, &mut open, "all that a process does".to_owned())));
    }
    if !tapdisks.is_empty() {
        sources.push(Box::new(Tapdisks::open(
            roots,
            tapdisks,
            &mut open,
            "the only place where tapdisk counts".to_owned(),
        )));
    }
    if !reports.is_empty() {
        sources.push(Box::new(Reported::new(reports)));
    }
    push_uncounted::<block::Table>(&mut sources, uncounted);
    sources
}

/// The sources of the interface table: one for each network namespace, and one of all virtual functions.
/// `open` as above.
pub(crate) fn interface(roots: &Roots, rows: &[InterfaceRow], wish: InterfaceSource, mut open: OpenHandles) -> Sources {
    let (mut namespaces, mut uncounted) = (BTreeMap::<_, Vec<Named<'_>>>::new(), Vec::new());
    let mut cards = BTreeMap::<Card, Vec<FunctionRow>>::new();
    for (at, row) in rows.iter().enumerate() {
        match row {
            InterfaceRow::NetDevice { name, namespace, index, swapped } => {
                let named = Named { name: name.as_bytes(), row: at, swapped: *swapped, index: *index };
                namespaces.entry(namespace.as_deref()).or_default().push(named);
            }
            InterfaceRow::VirtualFunction { device, number, namespace, swapped } => {
                cards.entry((namespace.clone(), device.clone())).or_default().push((*number, at, *swapped));
            }
            InterfaceRow::Uncounted => uncounted.push(at),
        }
    }
    let mut sources = Sources::new();
    for (namespace, by_name) in namespaces {
        sources.push(match namespace {
            None => interfaces(roots, NetDevFormat::PATH, &by_name, wish, &mut open),
            Some(namespace) => interfaces_elsewhere(roots, namespace, &by_name, wish, &mut open),
        });
    }
    if !cards.is_empty() {
        sources.push(Box::new(VirtualFunctions::open(roots, cards, &mut open)));
    }
    push_uncounted::<interface::Table>(&mut sources, uncounted);
    sources
}

fn interfaces_elsewhere(
    roots: &Roots,
    namespace: &Path,
    by_name: &[Named<'_>],
    wish: InterfaceSource,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let inside = || interfaces(roots, namespace::PROC_NET_DEV, by_name, wish, open);
    let entered =
        if roots.has_this_network() { namespace::within(roots, namespace, inside) } else { Err(namespace::CAPTURED) };
    match (entered, namespace::file_of_process(namespace)) {
        (Ok(source), _) => source,
        (Err(failure), file) => {
            let rows = InterfaceRows::new(by_name);
            let (path, by_key) = (file.unwrap_or_else(|| namespace.display().to_string()), rows.by_name());
            let why = format!("{} cannot be entered ({failure})", namespace.display());
            Box::new(NetDev::new(LineFile::open(roots, &path, by_key), rows.watched, None, why))
        }
    }
}

fn push_uncounted<T: Table + Send + 'static>(sources: &mut Sources, rows: Vec<usize>) {
    if !rows.is_empty() {
        sources.push(Box::new(Uncounted::<T>::new(rows)));
    }
}

/// One pass over /proc/diskstats, or a stat file for each device. The pass also wins where only it is there, as in a
/// captured tree; without it the stat files are what is left.
fn block_devices(
    roots: &Roots,
    devices: Vec<((DeviceNumber, Option<u64>), usize)>,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let watched = devices.iter().map(|((number, _), _)| number).collect::<HashSet<_>>().len();
    let numbers: Vec<_> = devices.iter().map(|((number, _), row)| (*number, *row)).collect();
    let lines = lines_of(roots, DiskstatsFormat::PATH).map(|lines| lines.len());
    let has_stat_files = roots.open(Path::new("/sys/dev/block")).is_ok();
    match lines {
        Some(lines) if !has_stat_files || cost::one_pass_is_cheaper(watched, lines) => {
            let why = format!("one pass over {lines} devices is cheaper than {watched} stat files");
            let (mut by_number, mut rows) = (HashMap::new(), Watched::new());
            for ((number, diskseq), row) in devices {
                let device = *by_number.entry(number).or_insert_with(|| rows.push());
                rows.add_row(device, row, (), diskseq);
            }
            let identity = Disks::open(roots);
            let file = LineFile::open(roots, DiskstatsFormat::PATH, by_number);
            Box::new(WithSizes::new(roots, numbers, Diskstats::new(file, rows, identity, why)))
        }
        lines => {
            let lines = lines.map_or("no".to_owned(), |lines| lines.to_string());
            let why = format!("{watched} stat files are cheaper than a pass over {lines} devices");
            Box::new(WithSizes::new(roots, numbers, BlockStat::open(roots, devices, open, why)))
        }
    }
}

/// Interfaces of the network namespace of the calling thread, whose /proc/net/dev is at `path`.
fn interfaces(
    roots: &Roots,
    path: &str,
    by_name: &[Named<'_>],
    wish: InterfaceSource,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let rows = InterfaceRows::new(by_name);
    let all: Vec<Vec<u8>> = lines_of(roots, path)
        .unwrap_or_default()
        .iter()
        .filter_map(|line| netdev::split(line).map(|(name, _)| name.to_vec()))
        .collect();
    let (watched, count) = (rows.names.len(), all.len());
    // Reading ends with the last watched line; one that is not there is looked for to the end.
    let last = rows.names.iter().map(|name| all.iter().position(|other| **other == **name).map_or(count, |at| at + 1));
    let lines = last.max().unwrap_or(count);
    let proc = |rows: InterfaceRows, why: String| -> Box<dyn Source> {
        let identity = Interfaces::open(roots, path);
        Box::new(NetDev::new(LineFile::open(roots, path, rows.by_name()), rows.watched, identity, why))
    };
    let mut sysfs = |why: String| -> Box<dyn Source> {
        let devices = by_name.iter().map(|Named { name, row, swapped, index }| {
            (sysfs_net::Interface { name: Box::from(*name), swapped: *swapped, index: *index }, *row)
        });
        Box::new(SysfsNet::open(roots, devices, open, why))
    };
    let hedged = |rows: InterfaceRows| match namespace::sockets_see(roots, path)
        .and_then(|()| Hedged::open(roots, path, &rows, count))
    {
        Ok(source) => Box::new(source) as Box<dyn Source>,
        Err(failure) => proc(rows, format!("netlink cannot be had: {failure}")),
    };
    match wish {
        InterfaceSource::Proc => proc(rows, "asked for".to_owned()),
        InterfaceSource::Sysfs if !sysfs_shows_the_same_namespace(roots, path, &all) => {
            proc(rows, "sysfs was asked for, and /sys does not show this network namespace".to_owned())
        }
        InterfaceSource::Sysfs => sysfs("asked for".to_owned()),
        InterfaceSource::Netlink => {
            match namespace::sockets_see(roots, path).and_then(|()| Rtnetlink::open(roots, path, &rows, count)) {
                Ok(source) => Box::new(source),
                Err(failure) => proc(rows, format!("netlink was asked for and cannot be had: {failure}")),
            }
        }
        InterfaceSource::Hedged => hedged(rows),
        InterfaceSource::Auto => match cost::cheapest_interface_route(watched, lines, count) {
            Cheapest::Sysfs if sysfs_shows_the_same_namespace(roots, path, &all) => {
                sysfs(format!("the files of {watched} interfaces are cheaper than a pass over all {count}"))
            }
            Cheapest::Hedged => hedged(rows),
            Cheapest::Proc | Cheapest::Sysfs => {
                proc(rows, format!("a pass over {lines} of {count} interfaces is the cheapest for {watched} of them"))
            }
        },
    }
}

/// Interfaces that are looked at to tell whether two namespaces are one.
const LOOKED_AT: usize = 64;

/// /sys shows the network namespace of whoever mounted it, which need not be the one that /proc/net/dev shows. They are
/// taken for one when no interface has another number there and most are there; some may go while this looks. A few small
/// namespaces look the same even so (lo is 1, eth0 is 2), but where there are few interfaces, /proc/net/dev is cheaper
/// anyway. A captured machine has one namespace, and perhaps not all of its files.
fn sysfs_shows_the_same_namespace(roots: &Roots, path: &str, all: &[Vec<u8>]) -> bool {
    let Ok(index) = InterfaceIndex::open() else { return false };
    let looked_at = &all[..all.len().min(LOOKED_AT)];
    let there: Vec<_> =
        looked_at.iter().filter_map(|name| Some((name, sysfs_net::index_in_sysfs(roots, name).ok()?))).collect();
    path == NetDevFormat::PATH
        && there.len() * 2 > looked_at.len()
        && (!roots.has_this_network()
            || there.iter().all(|(name, number)| index.of(name).ok().flatten().is_none_or(|own| own == *number)))
}

fn lines_of(roots: &Roots, path: &str) -> Option<Vec<Vec<u8>>> {
    let file = roots.open_regular(Path::new(path)).ok()?;
    Some(BufReader::new(File::from(file)).split(b'\n').map_while(Result::ok).collect())
}
