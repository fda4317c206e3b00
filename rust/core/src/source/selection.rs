//! Selects the sources of a plan's rows, the cheapest where the kernel offers several.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::block_sizes::WithSizes;
use super::cost::{self, Cheapest};
use super::device_files::block_stat;
use super::device_files::cgroup_io::{CgroupIos, Stacked};
use super::device_files::sysfs_net;
use super::device_files::tapdisk::Tapdisks;
use super::device_files::xen_vbd::XenVbds;
use super::identity::numbering::is_short;
use super::identity::tracked_devices::TrackedDevices;
use super::identity::tracked_interfaces::{Named, TrackedInterfaces, tracked};
use super::net::{namespace, sysfs};
use super::netlink::card::Card;
use super::netlink::getstats::Rtnetlink;
use super::netlink::hedged::Hedged;
use super::netlink::vf_stats::{FunctionRow, VirtualFunctions};
use super::process_io::ProcessIos;
use super::table_file::diskstats::{Diskstats, DiskstatsFormat};
use super::table_file::line_table::Format;
use super::table_file::lines::MAX_FILE;
use super::table_file::netdev::NetDev;
use super::vmm_reported::VmmReported;
use super::without_counters::WithoutCounters;
use super::{Failure, OpenHandles, Source};
use crate::fields::{Table, block, interface};
use crate::parse::{diskstats::DeviceNumber, netdev};
use crate::plan::{BlockRow, InterfaceRow, InterfaceSource};
use crate::roots::Roots;
use crate::state::State;

type Sources = Vec<Box<dyn Source>>;

/// The sources of the block table. Handles among the `open` ones are used, not opened again.
pub(crate) fn block(roots: &Arc<Roots>, rows: &[BlockRow], mut open: OpenHandles) -> Sources {
    let (mut groups, mut processes, mut vmm_reported) = (Vec::new(), Vec::new(), Vec::new());
    let (mut devices, mut vbds, mut tapdisks, mut without) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match row {
            BlockRow::Device { number, diskseq } => devices.push(((*number, *diskseq), index)),
            BlockRow::XenVbd(vbd) => vbds.push((vbd.clone(), index)),
            BlockRow::CgroupIo(group) => groups.push((group.clone(), index)),
            BlockRow::ProcessIo(process) => processes.push((process.clone(), index)),
            BlockRow::Tapdisk(tapdisk) => tapdisks.push((tapdisk.clone(), index)),
            BlockRow::VmmReported(latest) => vmm_reported.push((Arc::clone(latest), index)),
            BlockRow::WithoutCounters(why) => without.push((index, why.state())),
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
        let stacked = Stacked::new(roots);
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
    push_without::<block::Table>(&mut sources, without);
    sources
}

/// The sources of the interface table: one for each network namespace, and one for all virtual functions. `open` as
/// above.
pub(crate) fn interface(
    roots: &Arc<Roots>,
    rows: &[InterfaceRow],
    requested: InterfaceSource,
    mut open: OpenHandles,
) -> Sources {
    let (mut namespaces, mut without) = (BTreeMap::<_, Vec<Named<'_>>>::new(), Vec::new());
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
            InterfaceRow::WithoutCounters(why) => without.push((at, why.state())),
        }
    }
    let mut sources = Sources::new();
    for (namespace, by_name) in namespaces {
        sources.push(match namespace {
            None => interfaces(roots, None, &by_name, requested, &mut open),
            Some(namespace) => interfaces_elsewhere(roots, namespace, &by_name, requested, &mut open),
        });
    }
    if !cards.is_empty() {
        sources.push(Box::new(VirtualFunctions::open(roots, cards, &mut open)));
    }
    push_without::<interface::Table>(&mut sources, without);
    sources
}

fn interfaces_elsewhere(
    roots: &Arc<Roots>,
    namespace: &Path,
    by_name: &[Named<'_>],
    requested: InterfaceSource,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let inside = || interfaces(roots, Some(namespace), by_name, requested, open);
    let entered =
        if roots.has_this_network() { namespace::within(roots, namespace, inside) } else { Err(namespace::CAPTURED) };
    match (entered, namespace::file_of_process(namespace)) {
        (Ok(source), _) => source,
        (Err(failure @ Failure::Errno(errno)), _) if is_short(errno) => {
            let why = format!("{} cannot be entered yet", namespace.display());
            let rows = tracked(by_name);
            Box::new(NetDev::open_later(roots, namespace::THREAD_NET_DEV, namespace, rows, failure, why))
        }
        (Err(failure), file) => {
            let path = file.unwrap_or_else(|| namespace.display().to_string());
            let why = format!("{} cannot be entered ({failure})", namespace.display());
            Box::new(NetDev::open_unnumbered(roots, &path, tracked(by_name), why))
        }
    }
}

fn push_without<T: Table + Send + 'static>(sources: &mut Sources, rows: Vec<(usize, State)>) {
    if !rows.is_empty() {
        sources.push(Box::new(WithoutCounters::<T>::new(rows)));
    }
}

/// One pass over /proc/diskstats, or a stat file for each device; whichever is cheaper, or exists in a captured tree.
fn block_devices(
    roots: &Arc<Roots>,
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
                let device = *by_number.entry(number).or_insert_with(|| rows.push(number));
                rows.add_row(device, row, (), diskseq);
            }
            Box::new(WithSizes::new(roots, numbers, Diskstats::open(roots, DiskstatsFormat::PATH, None, rows, why)))
        }
        lines => {
            let lines = lines.map_or("no".to_owned(), |lines| lines.to_string());
            let why = format!("{tracked} stat files are cheaper than a pass over {lines} devices");
            Box::new(WithSizes::new(roots, numbers, block_stat::open(roots, devices, open, why)))
        }
    }
}

/// The source of interfaces in the network namespace of the calling thread: the machine's, or `namespace`.
fn interfaces(
    roots: &Arc<Roots>,
    namespace: Option<&Path>,
    by_name: &[Named<'_>],
    requested: InterfaceSource,
    open: &mut OpenHandles,
) -> Box<dyn Source> {
    let path = if namespace.is_none() { namespace::NET_DEV } else { namespace::THREAD_NET_DEV };
    let rows = tracked(by_name);
    let all: Vec<Vec<u8>> = lines_of(roots, path)
        .unwrap_or_default()
        .iter()
        .filter_map(|line| netdev::split(line).map(|(name, _)| name.to_vec()))
        .collect();
    let (tracked, count) = (rows.len(), all.len());
    // Reading ends with the last tracked line, or with the file if an interface is missing.
    let last = rows.keys().map(|name| all.iter().position(|other| **other == **name).map_or(count, |at| at + 1));
    let lines = last.max().unwrap_or(count);
    let proc = |rows: TrackedInterfaces, why: String| -> Box<dyn Source> {
        Box::new(NetDev::open(roots, path, namespace, rows, why))
    };
    let is_in_sysfs = || namespace.is_none() && sysfs::shows_this_namespace(roots).unwrap_or(false);
    let mut sysfs = |why: String| -> Box<dyn Source> {
        let devices = by_name.iter().map(|Named { name, row, swap_rx_tx, index }| {
            (sysfs_net::Interface { name: Box::from(*name), swap_rx_tx: *swap_rx_tx, index: *index }, *row)
        });
        Box::new(sysfs_net::open(roots, devices, open, why))
    };
    let hedged = |rows: TrackedInterfaces| match namespace::sockets_see(roots, path)
        .and_then(|()| Hedged::open(roots, path, &rows, count))
    {
        Ok(source) => Box::new(source) as Box<dyn Source>,
        Err(failure) => proc(rows, format!("netlink is not available: {failure}")),
    };
    match requested {
        InterfaceSource::Proc => proc(rows, "requested".to_owned()),
        InterfaceSource::Sysfs if !is_in_sysfs() => {
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
            if route == Cheapest::Sysfs && !is_in_sysfs() {
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

fn lines_of(roots: &Roots, path: &str) -> Option<Vec<Vec<u8>>> {
    let file = namespace::open_net_dev(roots, path).ok()?;
    Some(BufReader::new(File::from(file)).take(MAX_FILE).split(b'\n').map_while(Result::ok).collect())
}
