//! Selects the sources of a plan's rows, the cheapest where the kernel offers several.

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
use super::device_files::sysfs_net::{self, SysfsNet};
use super::device_files::tapdisk::Tapdisks;
use super::device_files::xen_vbd::XenVbds;
use super::net::index::InterfaceIndex;
use super::net::namespace;
use super::net::rows::{InterfaceRows, Named};
use super::netlink::card::Card;
use super::netlink::getstats::Rtnetlink;
use super::netlink::hedged::Hedged;
use super::netlink::vf_stats::{FunctionRow, VirtualFunctions};
use super::process_io::ProcessIos;
use super::table_file::diskstats::{Diskstats, DiskstatsFormat};
use super::table_file::identity::{Disks, Interfaces};
use super::table_file::line_table::{Format, LineFile};
use super::table_file::netdev::NetDev;
use super::tracked_devices::TrackedDevices;
use super::unsupported::Unsupported;
use super::vmm_reported::VmmReported;
use super::{OpenHandles, Source};
use crate::fields::{Table, block, interface};
use crate::parse::{diskstats::DeviceNumber, netdev};
use crate::plan::{BlockRow, InterfaceRow, InterfaceSource};
use crate::roots::Roots;

type Sources = Vec<Box<dyn Source>>;

/// The sources of the block table. Handles among the `open` ones are used, not opened again.
pub(crate) fn block(roots: &Roots, rows: &[BlockRow], mut open: OpenHandles) -> Sources {
    let (mut groups, mut processes, mut vmm_reported) = (Vec::new(), Vec::new(), Vec::new());
    let (mut devices, mut vbds, mut tapdisks, mut unsupported) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match row {
            BlockRow::Device { number, diskseq } => devices.push(((*number, *diskseq), index)),
            BlockRow::XenVbd(vbd) => vbds.push((vbd.clone(), index)),
            BlockRow::CgroupIo(group) => groups.push((group.clone(), index)),
            BlockRow::ProcessIo(process) => processes.push((process.clone(), index)),
            BlockRow::Tapdisk(tapdisk) => tapdisks.push((tapdisk.clone(), index)),
            BlockRow::VmmReported(latest) => vmm_reported.push((Arc::clone(latest), index)),
            BlockRow::Unsupported => unsupported.push(index),
        }
    }
    let mut sources = Sources::new();
    if !devices.is_empty() {
        sources.push(block_devices(roots, devices, &mut open));
    }
    if !vbds.is_empty() {
        sources.push(Box::new(XenVbds::open(roots, vbds, &mut open, "the only counters of blkback".to_owned())));
    }
    if !groups.is_empty() {
        let stacked = cgroup_io::stacked(roots);
        let groups = groups.into_iter().map(|(group, row)| ((group, stacked.clone()), row));
        sources.push(Box::new(CgroupIos::open(
            roots,
            groups,
            &mut open,
            "the I/O of all processes of a control group".to_owned(),
        )));
    }
    if !processes.is_empty() {
        sources.push(Box::new(ProcessIos::open(roots, processes, &mut open)));
    }
    if !tapdisks.is_empty() {
        sources.push(Box::new(Tapdisks::open(roots, tapdisks, &mut open, "the only counters of tapdisk".to_owned())));
    }
    if !vmm_reported.is_empty() {
        sources.push(Box::new(VmmReported::new(vmm_reported)));
    }
    push_unsupported::<block::Table>(&mut sources, unsupported);
    sources
}

/// The sources of the interface table: one for each network namespace, and one for all virtual functions. `open` as
/// above.
pub(crate) fn interface(
    roots: &Roots,
    rows: &[InterfaceRow],
    requested: InterfaceSource,
    mut open: OpenHandles,
) -> Sources {
    let (mut namespaces, mut unsupported) = (BTreeMap::<_, Vec<Named<'_>>>::new(), Vec::new());
    let mut cards = BTreeMap::<Card, Vec<FunctionRow>>::new();
    for (at, row) in rows.iter().enumerate() {
        match row {
            InterfaceRow::NetDevice { name, namespace, index, swap_rx_tx } => {
                let named = Named { name: name.as_bytes(), row: at, swap_rx_tx: *swap_rx_tx, index: *index };
                namespaces.entry(namespace.as_deref()).or_default().push(named);
            }
            InterfaceRow::VirtualFunction { device, number, namespace, swap_rx_tx } => {
                cards.entry((namespace.clone(), device.clone())).or_default().push((*number, at, *swap_rx_tx));
            }
            InterfaceRow::Unsupported => unsupported.push(at),
        }
    }
    let mut sources = Sources::new();
    for (namespace, by_name) in namespaces {
        sources.push(match namespace {
            None => interfaces(roots, namespace::NET_DEV, &by_name, requested, &mut open),
            Some(namespace) => interfaces_elsewhere(roots, namespace, &by_name, requested, &mut open),
        });
    }
    if !cards.is_empty() {
        sources.push(Box::new(VirtualFunctions::open(roots, cards, &mut open)));
    }
    push_unsupported::<interface::Table>(&mut sources, unsupported);
    sources
}

fn interfaces_elsewhere(
    roots: &Roots,
    namespace: &Path,
    by_name: &[Named<'_>],
    requested: InterfaceSource,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let inside = || interfaces(roots, namespace::THREAD_NET_DEV, by_name, requested, open);
    let entered =
        if roots.has_this_network() { namespace::within(roots, namespace, inside) } else { Err(namespace::CAPTURED) };
    match (entered, namespace::file_of_process(namespace)) {
        (Ok(source), _) => source,
        (Err(failure), file) => {
            let rows = InterfaceRows::new(by_name);
            let (path, by_key) = (file.unwrap_or_else(|| namespace.display().to_string()), rows.by_name());
            let why = format!("{} cannot be entered ({failure})", namespace.display());
            Box::new(NetDev::new(LineFile::open(roots, &path, by_key), rows.tracked, None, why))
        }
    }
}

fn push_unsupported<T: Table + Send + 'static>(sources: &mut Sources, rows: Vec<usize>) {
    if !rows.is_empty() {
        sources.push(Box::new(Unsupported::<T>::new(rows)));
    }
}

/// One pass over /proc/diskstats, or a stat file for each device; whichever is cheaper, or exists in a captured tree.
fn block_devices(
    roots: &Roots,
    devices: Vec<((DeviceNumber, Option<u64>), usize)>,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let tracked = devices.iter().map(|((number, _), _)| number).collect::<HashSet<_>>().len();
    let numbers: Vec<_> = devices.iter().map(|((number, _), row)| (*number, *row)).collect();
    let lines = lines_of(roots, DiskstatsFormat::PATH).map(|lines| lines.len());
    let has_stat_files = roots.open(Path::new("/sys/dev/block")).is_ok();
    match lines {
        Some(lines) if !has_stat_files || cost::one_pass_is_cheaper(tracked, lines) => {
            let why = format!("one pass over {lines} devices is cheaper than {tracked} stat files");
            let (mut by_number, mut rows) = (HashMap::new(), TrackedDevices::new());
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
            let why = format!("{tracked} stat files are cheaper than a pass over {lines} devices");
            Box::new(WithSizes::new(roots, numbers, BlockStat::open(roots, devices, open, why)))
        }
    }
}

/// The source of interfaces in the network namespace of the calling thread, whose /proc/net/dev is at `path`.
fn interfaces(
    roots: &Roots,
    path: &str,
    by_name: &[Named<'_>],
    requested: InterfaceSource,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let rows = InterfaceRows::new(by_name);
    let all: Vec<Vec<u8>> = lines_of(roots, path)
        .unwrap_or_default()
        .iter()
        .filter_map(|line| netdev::split(line).map(|(name, _)| name.to_vec()))
        .collect();
    let (tracked, count) = (rows.names.len(), all.len());
    // Reading ends with the last tracked line, or with the file if an interface is missing.
    let last = rows.names.iter().map(|name| all.iter().position(|other| **other == **name).map_or(count, |at| at + 1));
    let lines = last.max().unwrap_or(count);
    let proc = |rows: InterfaceRows, why: String| -> Box<dyn Source> {
        let identity = Interfaces::open(roots, path);
        Box::new(NetDev::new(LineFile::open(roots, path, rows.by_name()), rows.tracked, identity, why))
    };
    let mut sysfs = |why: String| -> Box<dyn Source> {
        let devices = by_name.iter().map(|Named { name, row, swap_rx_tx, index }| {
            (sysfs_net::Interface { name: Box::from(*name), swap_rx_tx: *swap_rx_tx, index: *index }, *row)
        });
        Box::new(SysfsNet::open(roots, devices, open, why))
    };
    let hedged = |rows: InterfaceRows| match namespace::sockets_see(roots, path)
        .and_then(|()| Hedged::open(roots, path, &rows, count))
    {
        Ok(source) => Box::new(source) as Box<dyn Source>,
        Err(failure) => proc(rows, format!("netlink is not available: {failure}")),
    };
    match requested {
        InterfaceSource::Proc => proc(rows, "requested".to_owned()),
        InterfaceSource::Sysfs if !sysfs_shows_the_same_namespace(roots, path, &all) => {
            proc(rows, "sysfs was requested, but /sys shows another network namespace".to_owned())
        }
        InterfaceSource::Sysfs => sysfs("requested".to_owned()),
        InterfaceSource::Netlink => {
            match namespace::sockets_see(roots, path).and_then(|()| Rtnetlink::open(roots, path, &rows, count)) {
                Ok(source) => Box::new(source),
                Err(failure) => proc(rows, format!("netlink was requested, but is not available: {failure}")),
            }
        }
        InterfaceSource::Hedged => hedged(rows),
        InterfaceSource::Auto => {
            let mut route = cost::cheapest_interface_route(tracked, lines, count, true);
            if route == Cheapest::Sysfs && !sysfs_shows_the_same_namespace(roots, path, &all) {
                route = cost::cheapest_interface_route(tracked, lines, count, false);
            }
            match route {
                Cheapest::Sysfs => {
                    sysfs(format!("the files of {tracked} interfaces are cheaper than a pass over all {count}"))
                }
                Cheapest::Hedged => hedged(rows),
                Cheapest::Proc => {
                    let why =
                        format!("a pass over {lines} of {count} interfaces is the cheapest for {tracked} of them");
                    proc(rows, why)
                }
            }
        }
    }
}

/// Interfaces that are compared to find out whether two namespaces are the same.
const COMPARED: usize = 64;

/// /sys shows the network namespace of the process that mounted it, which may differ from that of /proc/net/dev. They
/// count as the same if most interfaces exist in both, all with the same number; some may disappear meanwhile. Small
/// namespaces can be alike (lo is 1, eth0 is 2), but with few interfaces /proc/net/dev is cheaper anyway. A captured
/// machine has one namespace, and perhaps not all of its files.
fn sysfs_shows_the_same_namespace(roots: &Roots, path: &str, all: &[Vec<u8>]) -> bool {
    let Ok(index) = InterfaceIndex::open() else { return false };
    let compared = &all[..all.len().min(COMPARED)];
    let in_sysfs: Vec<_> =
        compared.iter().filter_map(|name| Some((name, sysfs_net::index_in_sysfs(roots, name).ok()?))).collect();
    path == namespace::NET_DEV
        && in_sysfs.len() * 2 > compared.len()
        && (!roots.has_this_network()
            || in_sysfs.iter().all(|(name, number)| index.of(name).ok().flatten().is_none_or(|own| own == *number)))
}

fn lines_of(roots: &Roots, path: &str) -> Option<Vec<Vec<u8>>> {
    let file = roots.open_regular(Path::new(path)).ok()?;
    Some(BufReader::new(File::from(file)).split(b'\n').map_while(Result::ok).collect())
}
