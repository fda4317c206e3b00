//! A poller on captured machines, whose files change between polls.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use vmiostat_core::error::Error;
use vmiostat_core::fields::{block, interface};
use vmiostat_core::plan::{BlockRow, CarriedOver, InterfaceRow, InterfaceSource, Plan, WhyNot, XenVbd, XenVbdKind};
use vmiostat_core::poller::{Kind, Poller, Sample, Target};
use vmiostat_core::roots::Roots;
use vmiostat_core::state::State;

const HEADING: &str = "Inter-|   Receive                 |  Transmit\n face |bytes    packets |bytes    packets\n";

struct Machine(TempDir);

impl Machine {
    fn new() -> Machine {
        Machine(tempfile::tempdir().unwrap())
    }

    /// Writes in place, as the kernel does: an open file stays the same.
    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn interfaces(&self, lines: &[(&str, i64)]) {
        let line = |(name, first): &(&str, i64)| {
            let numbers: Vec<String> = (0..16).map(|number| (first + number).to_string()).collect();
            format!("{name:>6}: {}\n", numbers.join(" "))
        };
        self.write("proc/net/dev", &(HEADING.to_owned() + &lines.iter().map(line).collect::<String>()));
    }

    fn disks(&self, lines: &[(u32, u32, i64)]) {
        let line = |(major, minor, first): &(u32, u32, i64)| {
            let numbers: Vec<String> = (0..17).map(|number| (first + number).to_string()).collect();
            format!("{major:4} {minor:7} d{minor} {}\n", numbers.join(" "))
        };
        self.write("proc/diskstats", &lines.iter().map(line).collect::<String>());
    }

    fn vbd(&self, folder: &str, statistics: &[(&str, &str)]) {
        for (name, text) in statistics {
            self.write(&format!("{folder}/statistics/{name}"), text);
        }
    }

    fn poller(&self, block: Vec<BlockRow>, interface: Vec<InterfaceRow>) -> Poller {
        let roots = Roots::new(self.0.path(), &[]).unwrap();
        Poller::open(Arc::new(roots), &Plan { block, interface }, InterfaceSource::Auto)
    }
}

fn nic(name: &str, swap_rx_tx: bool) -> InterfaceRow {
    InterfaceRow::NetDevice { name: name.into(), namespace: None, index: None, swap_rx_tx }
}

fn disk(number: (u32, u32)) -> BlockRow {
    BlockRow::Device { number, diskseq: None }
}

fn vbd(domid: u32, devid: u32) -> BlockRow {
    BlockRow::XenVbd(XenVbd { kind: XenVbdKind::Vbd, domid, devid })
}

fn block_row(sample: &Sample, row: usize) -> &[i64] {
    &sample.block[row * block::WORDS..][..block::WORDS]
}

fn interface_row(sample: &Sample, row: usize) -> &[i64] {
    &sample.interface[row * interface::WORDS..][..interface::WORDS]
}

/// Generation and state of an interface row.
fn standing(sample: &Sample, row: usize) -> (i64, State) {
    let row = interface_row(sample, row);
    (row[interface::generation], State::from_word(row[interface::state]).unwrap())
}

#[test]
fn rows_are_in_the_order_of_the_plan() {
    let machine = Machine::new();
    machine.interfaces(&[("lo", 0), ("vnet0", 100), ("vnet1", 200), ("net1", 300)]);
    let plan = vec![
        nic("net1", false),
        InterfaceRow::WithoutCounters(WhyNot::Unsupported),
        nic("vnet0", true),
        nic("vnet0", false),
    ];
    let sample = machine.poller(vec![], plan).poll().unwrap();
    assert_eq!(interface_row(&sample, 0)[..2], [300, 301]);
    assert_eq!(standing(&sample, 1), (-1, State::Unsupported));
    assert_eq!(interface_row(&sample, 2)[..2], [108, 109], "rx and tx are swapped");
    assert_eq!(interface_row(&sample, 3)[..2], [100, 101], "one device may have two rows");
    assert!(interface_row(&sample, 0)[interface::time_ns] > 0);
}

#[test]
fn an_interface_that_comes_back_is_a_new_generation() {
    let machine = Machine::new();
    machine.interfaces(&[("lo", 0), ("a", 100), ("b", 200), ("c", 300)]);
    let poller = machine.poller(vec![], vec![nic("b", false), nic("c", false)]);
    assert_eq!(standing(&poller.poll().unwrap(), 0), (0, State::Ok));
    machine.interfaces(&[("lo", 0), ("c", 310)]);
    let gone = poller.poll().unwrap();
    assert_eq!(standing(&gone, 0), (0, State::Gone));
    assert_eq!(interface_row(&gone, 0)[..8], [-1; 8]);
    assert_eq!((standing(&gone, 1), interface_row(&gone, 1)[0]), ((0, State::Ok), 310));
    let problem = poller.problem(Kind::Interface, 0).unwrap().to_string();
    assert!(problem.ends_with("proc/net/dev: No such device (os error 19)"), "{problem}");
    machine.interfaces(&[("c", 320), ("b", 5), ("lo", 0)]);
    let back = poller.poll().unwrap();
    assert_eq!((standing(&back, 0), interface_row(&back, 0)[0]), ((1, State::Ok), 5));
    assert_eq!((standing(&back, 1), interface_row(&back, 1)[0]), ((0, State::Ok), 320));
    assert!(poller.problem(Kind::Interface, 0).is_none());
}

#[test]
fn a_remembered_name_does_not_match_a_longer_one() {
    let machine = Machine::new();
    machine.interfaces(&[("ibr10", 100)]);
    let poller = machine.poller(vec![], vec![nic("ibr10", false), nic("ibr10:30", false)]);
    assert_eq!(standing(&poller.poll().unwrap(), 0), (0, State::Ok));
    // The new line is where the old one was, and begins with the same name.
    machine.interfaces(&[("ibr10:30", 200), ("ibr10", 110)]);
    let sample = poller.poll().unwrap();
    assert_eq!((standing(&sample, 0), interface_row(&sample, 0)[0]), ((0, State::Ok), 110));
    assert_eq!((standing(&sample, 1), interface_row(&sample, 1)[0]), ((0, State::Ok), 200));
}

#[test]
fn a_bad_line_affects_its_own_row_only() {
    let machine = Machine::new();
    let numbers = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    let huge = numbers.replace(" 7 ", " 99999999999999999999 ");
    machine.write("proc/net/dev", &format!("{HEADING}  a:{numbers}  b: some text\n  c:{huge}\n\n:::\n  d:{numbers}"));
    let poller = machine.poller(vec![], ["a", "b", "c", "d"].map(|name| nic(name, false)).into());
    for _ in 0..2 {
        let sample = poller.poll().unwrap();
        let states: Vec<State> = (0..4).map(|row| standing(&sample, row).1).collect();
        assert_eq!(states, [State::Ok, State::Unreadable, State::Unreadable, State::Ok]);
    }
    assert!(matches!(poller.problem(Kind::Interface, 1), Some(Error::Malformed { .. })));
    machine.interfaces(&[("b", 7)]);
    let healed = poller.poll().unwrap();
    assert_eq!((standing(&healed, 1), interface_row(&healed, 1)[0]), ((0, State::Ok), 7));
}

#[test]
fn rows_of_a_missing_file_recover_when_it_appears() {
    let machine = Machine::new();
    let poller = machine.poller(vec![disk((8, 0))], vec![nic("a", false)]);
    assert_eq!(standing(&poller.poll().unwrap(), 0).1, State::Unreadable);
    assert_eq!(poller.reopen().unwrap(), 0);
    machine.interfaces(&[("a", 1)]);
    assert_eq!(standing(&poller.poll().unwrap(), 0).1, State::Unreadable, "a poll opens nothing");
    assert_eq!(poller.reopen().unwrap(), 1);
    assert_eq!(standing(&poller.poll().unwrap(), 0), (0, State::Ok));
}

#[test]
fn diskstats_and_stat_files_give_the_same_records() {
    let machine = Machine::new();
    let all: Vec<(u32, u32, i64)> = (0..40).map(|minor| (7, minor, i64::from(minor) * 1000)).collect();
    machine.disks(&all);
    let many = all.iter().map(|(major, minor, _)| disk((*major, *minor))).collect();
    let one_pass = machine.poller(many, vec![]).poll().unwrap();
    fs::create_dir_all(machine.0.path().join("sys/dev/block")).unwrap();
    for (_, minor, first) in &all {
        let numbers: Vec<String> = (0..17).map(|number| (first + number).to_string()).collect();
        machine.write(&format!("sys/dev/block/7:{minor}/stat"), &(numbers.join(" ") + "\n"));
    }
    let few = machine.poller(vec![disk((7, 5)), disk((7, 39))], vec![]);
    let stat_files = few.poll().unwrap();
    let counters = ..block::time_ns;
    assert_eq!(block_row(&stat_files, 0)[counters], block_row(&one_pass, 5)[counters]);
    assert_eq!(block_row(&stat_files, 1)[counters], block_row(&one_pass, 39)[counters]);
    assert_eq!(block_row(&one_pass, 39)[block::rd_req], 39000);
    machine.write("sys/dev/block/7:5/stat", "no numbers\n");
    let bad = few.poll().unwrap();
    assert_eq!(block_row(&bad, 0)[block::state], State::Unreadable as i64);
    assert_eq!(block_row(&bad, 1)[block::state], State::Ok as i64);
}

#[test]
fn every_layout_of_xen_statistics() {
    let machine = Machine::new();
    let new = [
        ("rd_req", "1\n"),
        ("rd_sect", "2\n"),
        ("wr_req", "3\n"),
        ("wr_sect", "4\n"),
        ("oo_req", "5\n"),
        ("f_req", "6\n"),
        ("ds_req", "7\n"),
    ];
    machine.vbd("sys/bus/xen-backend/devices/vbd-1-51712", &new);
    machine.vbd(
        "sys/devices/xen-backend/vbd-2-768",
        &[("rd_req", "-2\n"), ("rd_sect", "-2147483648\n"), ("br_req", "9\n")],
    );
    let poller = machine.poller(vec![vbd(1, 51712), vbd(2, 768), vbd(3, 768)], vec![]);
    let sample = poller.poll().unwrap();
    assert_eq!(block_row(&sample, 0)[..8], [1, 1024, 3, 2048, 5, 6, 7, -1]);
    assert_eq!(block_row(&sample, 1)[..8], [(1 << 32) - 2, 1 << 40, -1, -1, -1, 9, -1, -1]);
    assert_eq!(block_row(&sample, 2)[block::state], State::Gone as i64);
    // A new vbd has an empty folder for a while.
    machine.vbd("sys/bus/xen-backend/devices/vbd-3-768", &new);
    assert_eq!(poller.reopen().unwrap(), 1);
    assert_eq!(block_row(&poller.poll().unwrap(), 2)[..5], [1, 1024, 3, 2048, 5]);
}

#[test]
fn missing_files_of_a_vbd_are_opened_later() {
    let machine = Machine::new();
    let folder = "sys/bus/xen-backend/devices/vbd-1-51712";
    machine.vbd(folder, &[("oo_req", "5\n"), ("rd_req", "1\n")]);
    let poller = machine.poller(vec![vbd(1, 51712)], vec![]);
    assert_eq!(block_row(&poller.poll().unwrap(), 0)[..5], [1, -1, -1, -1, 5]);
    machine.vbd(folder, &[("rd_sect", "2\n"), ("wr_req", "3\n"), ("wr_sect", "4\n")]);
    assert_eq!(block_row(&poller.poll().unwrap(), 0)[..5], [1, -1, -1, -1, 5], "a poll opens nothing");
    assert_eq!(poller.reopen().unwrap(), 0, "no row has come back");
    let row = block_row(&poller.poll().unwrap(), 0).to_vec();
    assert_eq!((&row[..5], row[block::generation]), (&[1, 1024, 3, 2048, 5][..], 0));
}

#[test]
fn only_the_counters_within_the_size_are_read() {
    let machine = Machine::new();
    machine.vbd(
        "sys/bus/xen-backend/devices/vbd-1-51712",
        &[("rd_req", "1\n"), ("rd_sect", "2\n"), ("wr_req", "no number\n")],
    );
    let poller = machine.poller(vec![vbd(1, 51712)], vec![]);
    let mut memory = [0x55; 16];
    poller.poll_into(Some(Target { bytes: &mut memory, size: 16 }), None).unwrap();
    assert_eq!(memory.as_slice(), bytemuck::cast_slice::<i64, u8>(&[1, 1024]));
    assert_eq!(block_row(&poller.poll().unwrap(), 0)[block::state], State::Unreadable as i64);
    let problem = poller.problem(Kind::Block, 0).unwrap().to_string();
    assert!(problem.ends_with("vbd-1-51712/statistics: wr_req is not a number"), "{problem}");
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    let machine = Machine::new();
    machine.interfaces(&[("a", 100)]);
    let poller = machine.poller(vec![], vec![nic("a", false)]);
    let mut memory = [0x55; interface::SIZE + 8];
    for size in 0..=interface::SIZE {
        memory.fill(0x55);
        poller.poll_into(None, Some(Target { bytes: &mut memory, size })).unwrap();
        let sample = poller.poll().unwrap();
        let counters = size.min(interface::time_ns * 8);
        assert_eq!(memory[..counters], bytemuck::cast_slice::<i64, u8>(&sample.interface)[..counters]);
        let rows = memory.len().checked_div(size).unwrap_or(0);
        assert!(memory[size..].iter().skip((rows.max(1) - 1) * size).all(|byte| *byte == 0x55), "no whole row's");
    }
    let too_large = poller.poll_into(None, Some(Target { bytes: &mut memory, size: interface::SIZE + 1 }));
    assert!(matches!(too_large, Err(Error::Size { .. })));
    let too_small = poller.poll_into(None, Some(Target { bytes: &mut memory[..63], size: 64 }));
    assert!(matches!(too_small, Err(Error::Buffer { .. })));
}

#[test]
fn a_fifo_in_place_of_a_counter_file_does_not_block() {
    let machine = Machine::new();
    fs::create_dir_all(machine.0.path().join("proc/net")).unwrap();
    let path = machine.0.path().join("proc/net/dev");
    rustix::fs::mknodat(rustix::fs::CWD, Path::new(&path), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let poller = machine.poller(vec![], vec![nic("a", false)]);
    assert_eq!(standing(&poller.poll().unwrap(), 0).1, State::Unreadable);
}

/// The poller of another plan, with the old index of each carried-over row.
fn replanned(
    poller: &Poller,
    block: &[(BlockRow, Option<usize>)],
    interface: &[(InterfaceRow, Option<usize>)],
) -> Poller {
    let (block, old_block) = block.iter().cloned().unzip();
    let (interface, old_interface) = interface.iter().cloned().unzip();
    let mut next = None;
    let carried_over = CarriedOver { block: old_block, interface: old_interface };
    poller.replan(&Plan { block, interface }, &carried_over, |poller| next = Some(poller)).unwrap();
    next.unwrap()
}

#[test]
fn carried_over_rows_keep_their_generation_and_new_rows_are_above_it() {
    let machine = Machine::new();
    machine.interfaces(&[("a", 100), ("b", 200), ("c", 300)]);
    let first = machine.poller(vec![], vec![nic("a", false), nic("b", false)]);
    first.poll().unwrap();
    for lines in [&[("b", 200), ("c", 300)][..], &[("a", 100), ("b", 200), ("c", 300)]] {
        machine.interfaces(lines);
        first.poll().unwrap();
    }
    assert_eq!([0, 1].map(|row| standing(&first.poll().unwrap(), row).0), [1, 0]);
    let none_such = InterfaceRow::WithoutCounters(WhyNot::Unsupported);
    let plan = [
        (nic("b", false), Some(1)),
        (nic("c", false), None),
        (nic("a", false), Some(0)),
        (nic("a", true), None),
        (none_such, None),
    ];
    let second = replanned(&first, &[], &plan);
    let generations =
        |poller: &Poller, rows| (0..rows).map(|row| standing(&poller.poll().unwrap(), row).0).collect::<Vec<_>>();
    assert_eq!(generations(&second, 5), [0, 2, 1, 2, -1]);
    // A row that was dropped and comes back is above all its earlier generations.
    let third = replanned(&second, &[], &[(nic("b", false), Some(0))]);
    assert_eq!(generations(&third, 1), [0]);
    let last = replanned(&third, &[], &[(nic("a", false), None), (nic("b", false), Some(0)), (nic("d", false), None)]);
    assert_eq!(generations(&last, 3), [3, 0, -1]);
    assert_eq!(standing(&last.poll().unwrap(), 2).1, State::Gone);
}

#[test]
fn a_row_keeps_its_number_wherever_a_plan_moves_it() {
    let machine = Machine::new();
    machine.interfaces(&[("a", 100), ("b", 200), ("c", 300)]);
    let ids = |poller: &Poller| {
        let sample = poller.poll().unwrap();
        let rows = sample.interface.chunks(interface::WORDS).map(|row| row[interface::row_id]);
        (sample.plan, rows.chain(sample.block.chunks(block::WORDS).map(|row| row[block::row_id])).collect::<Vec<_>>())
    };
    let first = machine.poller(
        vec![disk((8, 0))],
        vec![nic("a", false), nic("b", false), InterfaceRow::WithoutCounters(WhyNot::Unsupported)],
    );
    let (plan, before) = ids(&first);
    assert_eq!((plan.number, before), (1, vec![1, 2, 3, 0]));
    let rows = [
        (nic("c", false), None),
        (nic("b", false), Some(1)),
        (InterfaceRow::WithoutCounters(WhyNot::Unsupported), Some(2)),
    ];
    let second = replanned(&first, &[(disk((8, 0)), None)], &rows);
    let (plan, now) = ids(&second);
    assert_eq!((plan.number, plan.poller), (2, first.plan().poller));
    assert_eq!(now, [5, 2, 3, 4]);
    assert_ne!(machine.poller(vec![], vec![]).plan().poller, plan.poller);
}

#[test]
fn memory_for_more_rows_than_a_plan_has_holds_no_device_there() {
    let machine = Machine::new();
    machine.interfaces(&[("a", 100), ("b", 200)]);
    let first = machine.poller(vec![], vec![nic("a", false), nic("b", false)]);
    let mut memory = [7; 3 * interface::WORDS + 1];
    let poll = |poller: &Poller, memory: &mut [i64]| {
        let target = Target { bytes: bytemuck::cast_slice_mut(memory), size: interface::SIZE };
        poller.poll_into(None, Some(target)).unwrap();
        assert_eq!(memory.last(), Some(&7), "no whole row");
        let states = memory.chunks_exact(interface::WORDS).map(|row| (row[0], row[interface::state]));
        states.collect::<Vec<_>>()
    };
    let (ok, gone) = (State::Ok as i64, State::Gone as i64);
    assert_eq!(poll(&first, &mut memory), [(100, ok), (200, ok), (-1, gone)]);
    let second = replanned(&first, &[], &[(nic("b", false), Some(1))]);
    assert_eq!(poll(&second, &mut memory), [(200, ok), (-1, gone), (-1, gone)]);
    let mut expected = interface::UNKNOWN;
    expected[interface::state] = gone;
    assert_eq!(memory[2 * interface::WORDS..][..interface::WORDS], expected);
    // A size that cuts a word has the same first bytes.
    let mut bytes = [7; 5 * 11];
    second.poll_into(None, Some(Target { bytes: &mut bytes, size: 11 })).unwrap();
    assert_eq!(bytes[11..], bytemuck::cast_slice::<i64, u8>(&expected)[..11].repeat(4));
}

#[test]
fn a_row_that_was_gone_is_a_new_generation_in_the_next_plan() {
    let machine = Machine::new();
    machine.interfaces(&[("a", 100)]);
    let first = machine.poller(vec![], vec![nic("a", false)]);
    assert_eq!(standing(&first.poll().unwrap(), 0), (0, State::Ok));
    machine.interfaces(&[]);
    assert_eq!(standing(&first.poll().unwrap(), 0), (0, State::Gone));
    machine.interfaces(&[("a", 5)]);
    let second = replanned(&first, &[], &[(nic("a", false), Some(0))]);
    assert_eq!(standing(&second.poll().unwrap(), 0), (1, State::Ok));
}

#[test]
fn files_of_carried_over_rows_are_not_opened_again() {
    let machine = Machine::new();
    let folder = |domid| format!("sys/bus/xen-backend/devices/vbd-{domid}-51712");
    for domid in [1, 2] {
        machine.vbd(&folder(domid), &[("rd_req", "7\n")]);
    }
    let first = machine.poller(vec![vbd(1, 51712), vbd(2, 51712)], vec![]);
    first.poll().unwrap();
    // Open files outlive their names: only opening them again would fail.
    fs::remove_dir_all(machine.0.path().join(folder(1))).unwrap();
    fs::remove_dir_all(machine.0.path().join(folder(2))).unwrap();
    let plan = [
        (vbd(2, 51712), Some(1)),
        (vbd(1, 51712), None),
        // Carried over by mistake: another device does not get the old file.
        (vbd(3, 51712), Some(0)),
    ];
    let sample = replanned(&first, &plan, &[]).poll().unwrap();
    let states = [0, 1, 2].map(|row| State::from_word(block_row(&sample, row)[block::state]).unwrap());
    assert_eq!(states, [State::Ok, State::Gone, State::Gone]);
    assert_eq!(block_row(&sample, 0)[block::rd_req], 7);
    assert!(matches!(first.poll(), Err(Error::TakenOver)), "the rows are the new plan's now");
}

#[test]
fn a_file_without_end_is_unreadable() {
    let machine = Machine::new();
    for path in ["proc/net/dev", "proc/diskstats"] {
        machine.write(path, "");
        fs::File::create(machine.0.path().join(path)).unwrap().set_len(1 << 40).unwrap();
    }
    let disk = BlockRow::Device { number: (8, 0), diskseq: None };
    let sample = machine.poller(vec![disk], vec![nic("eth0", false)]).poll().unwrap();
    let states = [sample.block[block::state], sample.interface[interface::state]];
    assert_eq!(states, [State::Unreadable as i64; 2]);
}
