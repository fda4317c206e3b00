//! A steady poll does not allocate, in any thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vmiostat_core::fields::{block, interface};
use vmiostat_core::plan::{BlockRow, CgroupIo, CgroupVersion, InterfaceRow, InterfaceSource, Plan, ProcessIo, WhyNot};
use vmiostat_core::poller::{Kind, Poller, Target};
use vmiostat_core::roots::Roots;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: all calls go to the system allocator; they are only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn disk(number: (u32, u32)) -> BlockRow {
    BlockRow::Device { number, diskseq: None }
}

/// Every interface and disk of this machine, the I/O of all processes and of this one, and a missing device of each
/// kind.
fn plan() -> Plan {
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap();
    let names = interfaces.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    let interface = names.chain(["none-such".to_owned()]);
    let disks = fs::read_to_string("/proc/diskstats").unwrap();
    let numbers = disks.lines().map(|line| {
        let mut words = line.split_whitespace().map(|word| word.parse().unwrap_or(0));
        disk((words.next().unwrap(), words.next().unwrap()))
    });
    // This machine has one of the two.
    let [v1, v2] = [(CgroupVersion::V1, "/sys/fs/cgroup/blkio"), (CgroupVersion::V2, "/sys/fs/cgroup")]
        .map(|(version, folder)| BlockRow::CgroupIo(CgroupIo { folder: folder.into(), version }));
    let others = [
        v1,
        v2,
        BlockRow::ProcessIo(ProcessIo { pid: std::process::id(), started: None }),
        disk((999, 999)),
        BlockRow::WithoutCounters(WhyNot::Unsupported),
    ];
    Plan {
        block: numbers.chain(others).collect(),
        interface: interface
            .map(|name| InterfaceRow::NetDevice { name: name.into(), namespace: None, index: None, swap_rx_tx: true })
            .collect(),
    }
}

// The only test of this binary: allocations of another one would count, too.
#[test]
fn a_steady_poll_into_allocates_nothing() {
    let roots = Arc::new(Roots::machine().unwrap());
    for source in [
        InterfaceSource::Auto,
        InterfaceSource::Proc,
        InterfaceSource::Sysfs,
        InterfaceSource::Netlink,
        InterfaceSource::Hedged,
    ] {
        for few in [false, true] {
            let mut plan = plan();
            if few {
                plan.block.truncate(1);
                plan.interface.truncate(1);
            }
            let poller = Poller::open(Arc::clone(&roots), &plan, source);
            let mut blocks = vec![0; poller.rows(Kind::Block) * block::SIZE];
            let mut interfaces = vec![0; poller.rows(Kind::Interface) * interface::SIZE];
            let mut poll = || {
                let block = Target { bytes: &mut blocks, size: block::SIZE };
                let interface = Target { bytes: &mut interfaces, size: interface::SIZE };
                poller.poll_into(Some(block), Some(interface)).unwrap();
            };
            let mut allocations_of_polls = |polls| {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                (0..polls).for_each(|_| poll());
                ALLOCATIONS.load(Ordering::Relaxed) - before
            };
            // The first polls learn the order of the lines.
            allocations_of_polls(3);
            // They change when another program adds or removes a device, which must not fail the test.
            let steady = (0..5).any(|_| allocations_of_polls(1000) == 0);
            assert!(steady, "{source:?}, few: {few}");
        }
    }
}
