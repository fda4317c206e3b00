//! A machine with arbitrary text in /proc/net/dev and /proc/diskstats, and a poller that keeps them open.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vmiostat_core::plan::{BlockRow, InterfaceRow, InterfaceSource, Plan};
use vmiostat_core::poller::{Poller, Sample};
use vmiostat_core::roots::Roots;

/// The tracked interfaces by name, and whether rx and tx are swapped.
pub const INTERFACES: [(&str, bool); 4] = [("eth0", false), ("br1", true), ("br1:2", false), ("lo", false)];
/// The tracked block devices.
pub const DISKS: [(u32, u32); 3] = [(8, 0), (8, 1), (259, 0)];

pub struct Machine {
    files: [File; 2],
    poller: Poller,
}

impl Machine {
    /// In memory, since a disk would be the slowest part. The folder is removed at once; its files stay open.
    pub fn new() -> Machine {
        let folder = PathBuf::from(format!("/dev/shm/vmiostat-fuzz-{}", std::process::id()));
        fs::create_dir_all(folder.join("proc/net")).unwrap();
        let files = ["proc/net/dev", "proc/diskstats"].map(|name| File::create(folder.join(name)).unwrap());
        let interface = |(name, swap_rx_tx): (&str, bool)| InterfaceRow::NetDevice {
            name: name.into(),
            namespace: None,
            index: None,
            swap_rx_tx,
        };
        let plan = Plan {
            block: DISKS.map(|number| BlockRow::Device { number, diskseq: None }).to_vec(),
            interface: INTERFACES.map(interface).to_vec(),
        };
        let roots = Roots::new(Path::new(&folder), &[]).unwrap();
        let poller = Poller::open(Arc::new(roots), &plan, InterfaceSource::Proc);
        fs::remove_dir_all(&folder).unwrap();
        Machine { files, poller }
    }

    /// Polls with this text in both files.
    pub fn poll(&self, text: &[u8]) -> Sample {
        for file in &self.files {
            file.set_len(text.len() as u64).unwrap();
            file.write_all_at(text, 0).unwrap();
        }
        self.poller.poll().unwrap()
    }
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::new()
    }
}
