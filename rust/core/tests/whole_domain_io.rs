//! The I/O of a whole domain: of a control group on a captured machine, and of a process on this one.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use vmiostat_core::fields::block;
use vmiostat_core::plan::{BlockRow, CgroupIo, CgroupVersion, InterfaceSource, Plan, ProcessIo};
use vmiostat_core::poller::{Kind, Poller};
use vmiostat_core::roots::Roots;
use vmiostat_core::state::State;

fn poller(root: &Path, rows: Vec<BlockRow>) -> Poller {
    let plan = Plan { block: rows, interface: vec![] };
    Poller::open(Arc::new(Roots::new(root, &[]).unwrap()), &plan, InterfaceSource::Auto)
}

fn group(version: CgroupVersion) -> BlockRow {
    BlockRow::CgroupIo(CgroupIo { folder: "/sys/fs/cgroup/machine.slice/vm1.scope".into(), version })
}

/// A captured machine with a control group that has these files.
fn machine(files: &[(&str, &str)]) -> TempDir {
    let machine = tempfile::tempdir().unwrap();
    write(&machine, "proc/devices", "Character devices:\n  1 mem\n\nBlock devices:\n  8 sd\n253 device-mapper\n");
    for (name, text) in files {
        write(&machine, &format!("sys/fs/cgroup/machine.slice/vm1.scope/{name}"), text);
    }
    machine
}

/// Writes in place, as the kernel does: an open file stays the same.
fn write(machine: &TempDir, path: &str, text: &str) {
    let path = machine.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Requests and bytes read, written and discarded, and the state of the row.
fn row(poller: &Poller) -> ([i64; 6], State) {
    let row = poller.poll().unwrap().block;
    let words = [block::rd_req, block::rd_bytes, block::wr_req, block::wr_bytes, block::ds_req, block::ds_bytes];
    (words.map(|word| row[word]), State::from_word(row[block::state]).unwrap())
}

const UNKNOWN: [i64; 6] = [-1; 6];

#[test]
fn devices_of_a_group_are_summed_without_stacked_ones() {
    let stat = "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=3\n\
                253:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=3\n\
                8:16 rbytes=100 wbytes=200 rios=10 wios=20 dbytes=300 dios=30\n";
    let machine = machine(&[("io.stat", stat)]);
    let poller = poller(machine.path(), vec![group(CgroupVersion::V2)]);
    assert_eq!(row(&poller), ([11, 110, 22, 220, 33, 330], State::Ok));
    write(&machine, "sys/fs/cgroup/machine.slice/vm1.scope/io.stat", "8:0 rbytes=many");
    assert_eq!(row(&poller), (UNKNOWN, State::Unreadable));
    let problem = poller.problem(Kind::Block, 0).unwrap().to_string();
    assert!(problem.ends_with("vm1.scope/io.stat: not the counters of a control group"), "{problem}");
    write(&machine, "sys/fs/cgroup/machine.slice/vm1.scope/io.stat", "");
    assert_eq!(row(&poller), ([0, 0, 0, 0, -1, -1], State::Ok), "a group without I/O");
}

#[test]
fn a_request_based_device_counts_for_its_paths() {
    let stat = "8:0 \n8:16 \n253:0 rbytes=5 wbytes=6 rios=7 wios=8 dbytes=9 dios=10\n\
                253:1 rbytes=5 wbytes=6 rios=7 wios=8 dbytes=9 dios=10\n";
    let machine = machine(&[("io.stat", stat)]);
    write(&machine, "sys/dev/block/253:0/mq/0/cpu_list", "0\n");
    write(&machine, "sys/dev/block/253:1/stat", "");
    let poller = poller(machine.path(), vec![group(CgroupVersion::V2)]);
    assert_eq!(row(&poller), ([7, 5, 8, 6, 10, 9], State::Ok), "253:1 is a volume on 253:0");
    write(&machine, "sys/fs/cgroup/machine.slice/vm1.scope/io.stat", "253:1 rbytes=5 wbytes=6 rios=7 wios=8\n");
    assert_eq!(row(&poller), ([-1; 6], State::Ok), "only a stacked device has seen them");
}

#[test]
fn more_devices_than_one_read_returns() {
    let line = |minor: i64| format!("8:{minor} rbytes={minor} wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n");
    let stat: String = (0..2000).map(line).collect();
    assert!(stat.len() > 64 << 10);
    let machine = machine(&[("io.stat", &stat)]);
    let poller = poller(machine.path(), vec![group(CgroupVersion::V2)]);
    assert_eq!(row(&poller), ([6000, 1999 * 1000, 8000, 4000, 12000, 10000], State::Ok));
}

#[test]
fn version_1_prefers_recursive_files() {
    let (bytes, requests) =
        ("8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n253:0 Read 10\nTotal 40\n", "8:0 Read 1\n8:0 Write 2\n");
    let only_own = [("blkio.throttle.io_service_bytes", bytes), ("blkio.throttle.io_serviced", requests)];
    let made = machine(&only_own);
    assert_eq!(row(&poller(made.path(), vec![group(CgroupVersion::V1)])), ([1, 10, 2, 20, -1, -1], State::Ok));
    let more =
        [("blkio.throttle.io_service_bytes_recursive", "8:0 Read 11\n"), ("blkio.throttle.io_serviced_recursive", "")];
    let made = machine(&[&only_own[..], &more].concat());
    assert_eq!(row(&poller(made.path(), vec![group(CgroupVersion::V1)])), ([0, 11, 0, 0, -1, -1], State::Ok));
}

#[test]
fn a_missing_group_is_found_when_it_appears() {
    let machine = machine(&[]);
    let poller = poller(machine.path(), vec![group(CgroupVersion::V2)]);
    assert_eq!(row(&poller), (UNKNOWN, State::Gone));
    write(&machine, "sys/fs/cgroup/machine.slice/vm1.scope/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n");
    assert_eq!(poller.reopen().unwrap(), 1);
    assert_eq!(row(&poller), ([3, 1, 4, 2, -1, -1], State::Ok));
}

/// A process that waits for the end of its input.
fn waiting() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_process_until_its_end() {
    let mut child = waiting();
    let poller = poller(Path::new("/"), vec![BlockRow::ProcessIo(ProcessIo { pid: child.id(), started: None })]);
    let ([rd_req, rd_bytes, wr_req, wr_bytes, ds_req, ds_bytes], state) = row(&poller);
    assert_eq!((state, [rd_req, wr_req, ds_req, ds_bytes]), (State::Ok, [-1; 4]));
    assert!(rd_bytes >= 0 && wr_bytes >= 0);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(row(&poller), (UNKNOWN, State::Gone));
    let problem = poller.problem(Kind::Block, 0).unwrap().to_string();
    assert_eq!(problem, format!("/proc/{}/io: No such process (os error 3)", child.id()));
    assert_eq!(poller.reopen().unwrap(), 0);
    assert_eq!(row(&poller), (UNKNOWN, State::Gone));
}
