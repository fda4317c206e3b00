//! Reproducible work for a tool that counts instructions: `instructions CASE [REPLY]`, on a machine with a captured
//! /proc/net/dev, /proc/diskstats and /sys.
//!
//! Count the instructions of `measured` and divide by ROUNDS: it includes neither opening nor the first poll, which
//! learns the order of the lines.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use vmiostat_core::fields::{block, interface};
use vmiostat_core::parse::link_stats::{self, Body};
use vmiostat_core::parse::{diskstats, netdev};
use vmiostat_core::plan::{BlockRow, InterfaceRow, InterfaceSource, Plan, XenVbd, XenVbdKind};
use vmiostat_core::poller::{Poller, Target};
use vmiostat_core::roots::Roots;

const ROUNDS: usize = 100;

#[inline(never)]
fn measured(mut round: impl FnMut()) {
    for _ in 0..ROUNDS {
        round();
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["net_dev"] => poll(vec![], nics(usize::MAX)),
        ["net_dev_few_of_many"] => poll(vec![], nics(5)),
        ["diskstats"] => poll(disks(usize::MAX), vec![]),
        ["diskstats_few_of_many"] => poll(disks(5), vec![]),
        ["xen_vbd"] => {
            let vbd = XenVbd { kind: XenVbdKind::Vbd, domid: 1, devid: 51712 };
            poll(vec![BlockRow::XenVbd(vbd)], vec![]);
        }
        ["netlink_dump", reply] => parse(&std::fs::read(reply).expect("the captured reply")),
        _ => panic!("usage: instructions CASE [REPLY]"),
    }
}

/// A whole poll: reading, finding lines, parsing, filling rows.
fn poll(block: Vec<BlockRow>, interface: Vec<InterfaceRow>) {
    let plan = Plan { block, interface };
    let mut blocks = vec![0; plan.block.len() * block::SIZE];
    let mut interfaces = vec![0; plan.interface.len() * interface::SIZE];
    // With a /proc of its own no socket is used: sockets show another machine than these files.
    let own = [("proc", Path::new("/proc"))];
    let roots = Arc::new(Roots::new(Path::new("/"), &own).expect("the captured machine"));
    let poller = Poller::open(roots, &plan, InterfaceSource::Proc);
    let mut round = || {
        let block = Target { bytes: &mut blocks, size: block::SIZE };
        let interface = Target { bytes: &mut interfaces, size: interface::SIZE };
        poller.poll_into(Some(block), Some(interface)).expect("buffers for all rows");
    };
    round();
    measured(&mut round);
    let sample = poller.poll().unwrap();
    let states = sample.block.chunks(block::WORDS).map(|row| row[block::state]);
    let states: Vec<i64> =
        states.chain(sample.interface.chunks(interface::WORDS).map(|row| row[interface::state])).collect();
    assert!(!states.is_empty() && states.iter().all(|state| *state == 0), "not all rows were read: {states:?}");
}

/// Parses the messages of a dump into records.
fn parse(answer: &[u8]) {
    let mut found = 0;
    measured(|| {
        let mut rest = black_box(answer);
        while let Some(message) = link_stats::next(&mut rest) {
            if let Body::Stats { attributes, .. } = message.body
                && let Some(counters) = link_stats::counters(attributes)
            {
                black_box(netdev::record(&counters, true));
                found += 1;
            }
        }
    });
    assert!(found > 100 * ROUNDS, "{found} records");
}

fn nics(most: usize) -> Vec<InterfaceRow> {
    let text = std::fs::read_to_string("/proc/net/dev").expect("the captured file");
    let names = text.lines().rev().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    // From the end, so that most lines have to be skipped.
    names.take(most).map(nic).collect()
}

fn nic(name: &str) -> InterfaceRow {
    InterfaceRow::NetDevice { name: name.into(), namespace: None, index: None, swap_rx_tx: true }
}

fn disks(most: usize) -> Vec<BlockRow> {
    let text = std::fs::read_to_string("/proc/diskstats").expect("the captured file");
    let numbers = text.lines().rev().filter_map(|line| diskstats::device(line.as_bytes())).map(|(number, _)| number);
    numbers.take(most).map(|number| BlockRow::Device { number, diskseq: None }).collect()
}
