//! Adds the sizes of block devices to the rows of another source: their `capacity` and `physical` are the same.
//!
//! A size belongs to the device that it was read of, and not to a later one of the same number. A poll neither reads
//! sizes nor waits for them. They are read when a plan is opened, and at a reopen if they are
//! older than `MAX_AGE`: a volume is resized by hand, and its new size shows up after that time.

use std::fs::File;
use std::io::{Read, read_to_string};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::device_files::regular_file;
use super::identity::device_id::DeviceId;
use super::identity::disks::id_of;
use super::identity::generation::RowGeneration;
use super::{Explanation, OpenHandle, Reopened, Reopening, Source};
use crate::error::Error;
use crate::fields::{Table, WORD, block};
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::state::State;

/// Enough for one number.
const MAX_LENGTH: u64 = 32;
const MAX_AGE: Duration = Duration::from_secs(10);

/// The unit of sysfs, whatever the device's own sector size is.
const SECTOR: i64 = 512;

/// A source of block devices, with their sizes.
pub(crate) struct WithSizes<S> {
    source: S,
    devices: Vec<Device>,
    /// When all sizes were last read; None if they must be read again.
    read: Option<Instant>,
}

/// What a reopen read: the result of the inner source, the sizes and the index of their device, and whether these are
/// all sizes.
type Refreshed = (Option<Reopened>, Vec<(usize, Option<Size>)>, bool);

/// In bytes, and of which device.
type Size = (DeviceId, i64);

struct Device {
    number: DeviceNumber,
    row: usize,
    /// None if unknown.
    size: Option<Size>,
    /// The generation of the row's device, which the size is of; None before the first poll.
    generation: Option<i64>,
}

impl<S: Source> WithSizes<S> {
    pub(crate) fn new(roots: &Roots, devices: impl IntoIterator<Item = (DeviceNumber, usize)>, source: S) -> Self {
        let device = |(number, row)| Device { number, row, size: size_of(roots, number), generation: None };
        WithSizes { source, devices: devices.into_iter().map(device).collect(), read: Some(Instant::now()) }
    }
}

impl<S: Source> Source for WithSizes<S> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        self.source.read(rows);
        if rows.size() <= block::capacity * WORD {
            return;
        }
        let mut any_new = false;
        for device in &mut self.devices {
            let state = rows.word(device.row, block::Table::STATE);
            if state == State::Gone as i64 {
                // The next device of this number may be another one.
                (device.size, device.generation) = (None, None);
            } else if state == State::Ok as i64 {
                let generation = rows.word(device.row, block::generation);
                match device.generation.replace(generation) {
                    Some(before) if before == generation => {}
                    Some(_) => device.size = None,
                    None => any_new = true,
                }
            }
        }
        if any_new {
            self.drop_sizes_of_others();
        }
        for device in self.devices.iter().filter(|device| device.generation.is_some()) {
            if rows.word(device.row, block::Table::STATE) == State::Ok as i64 {
                let size = device.size.map_or(-1, |(_, size)| size);
                rows.set_word(device.row, block::capacity, size);
                rows.set_word(device.row, block::physical, size);
            }
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        let inner = self.source.reopening();
        let all = self.read.is_none_or(|read| read.elapsed() > MAX_AGE);
        let devices = self.devices.iter().enumerate().filter(|(_, device)| all || device.size.is_none());
        let devices: Vec<_> = devices.map(|(place, device)| (place, device.number)).collect();
        if inner.is_none() && devices.is_empty() {
            return None;
        }
        Some(Box::new(move |roots| {
            let sizes = devices.into_iter().map(|(place, number)| (place, size_of(roots, number))).collect();
            let refreshed: Refreshed = (inner.map(|inner| inner(roots)), sizes, all);
            Box::new(refreshed)
        }))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Ok(refreshed) = opened.downcast::<Refreshed>() else { return 0 };
        let (inner, sizes, all) = *refreshed;
        for (place, size) in sizes {
            // The next poll compares its device with the row's.
            (self.devices[place].size, self.devices[place].generation) = (size, None);
        }
        let opened = inner.map_or(0, |inner| self.source.reopened(inner));
        if opened > 0 {
            self.read = None;
        } else if all {
            self.read = Some(Instant::now());
        }
        opened
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.source.problem(row)
    }

    fn explain(&self) -> Explanation {
        self.source.explain()
    }

    fn catch_up(&mut self) {
        self.source.catch_up();
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.source.each_generation(each);
    }

    fn each_handle(&self, each: &mut dyn FnMut(usize, OpenHandle)) {
        self.source.each_handle(each);
    }
}

impl<S: Source> WithSizes<S> {
    /// Forgets the sizes of devices that are not those of the rows.
    #[cold]
    fn drop_sizes_of_others(&mut self) {
        let devices = &mut self.devices;
        self.source.each_generation(&mut |row, generation| {
            // Added in the order of their rows.
            if let Ok(place) = devices.binary_search_by_key(&row, |device| device.row) {
                let is_of =
                    |(id, _): &Size| generation.id().is_some_and(|own| own == *id || own == DeviceId::Unnumbered);
                devices[place].size = devices[place].size.filter(is_of);
            }
        });
    }
}

/// The size of the device of this number; None if it is unknown.
fn size_of(roots: &Roots, (major, minor): DeviceNumber) -> Option<Size> {
    let folder = roots.open(&PathBuf::from(format!("/sys/dev/block/{major}:{minor}"))).ok()?;
    let id = id_of(&folder).ok()?;
    let text = read_to_string(File::from(regular_file(&folder, "size").ok()?).take(MAX_LENGTH)).ok()?;
    let sectors = text.trim().parse::<i64>().ok().filter(|sectors| *sectors >= 0)?;
    let size = sectors.checked_mul(SECTOR)?;
    // A disk keeps its folder when it gets another medium.
    (id_of(&folder).ok()? == id).then_some((id, size))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::super::device_files::block_stat;
    use super::*;

    #[test]
    fn only_a_row_with_counters_has_a_size() {
        let tree = tempfile::tempdir().unwrap();
        let at = |path: &str| tree.path().join("sys/dev/block/8:0").join(path);
        fs::create_dir_all(at("")).unwrap();
        fs::write(at("stat"), "1 2 3 4 5 6 7 8 9 10 11\n").unwrap();
        fs::write(at("size"), "2048\n").unwrap();
        let roots = Arc::new(Roots::new(tree.path(), &[]).unwrap());
        let read = |source: &mut dyn Source, size: usize| {
            let mut memory = [0xAA; 2 * block::SIZE];
            source.read(&mut Rows::new(&mut memory, 1, size, block::SIZE).unwrap());
            assert!(memory[size..].iter().all(|byte| *byte == 0xAA));
            memory
        };
        let word = |memory: &[u8], word: usize| i64::from_ne_bytes(memory[word * WORD..][..WORD].try_into().unwrap());
        let tracked = [(((8, 0), None), 0)];
        let inner = block_stat::open(&roots, tracked, &mut crate::source::OpenHandles::new(), String::new());
        let mut source = WithSizes::new(&roots, [((8, 0), 0)], inner);
        let whole = read(&mut source, block::SIZE);
        assert_eq!((word(&whole, block::rd_req), word(&whole, block::capacity)), (1, 1 << 20));
        assert_eq!(word(&whole, block::physical), 1 << 20);
        for size in 0..block::SIZE {
            let cut = read(&mut source, size);
            let from = (block::state * WORD).min(size); // the time differs
            assert_eq!(cut[from..size], whole[from..size], "{size} bytes");
        }
        fs::write(at("stat"), "no numbers\n").unwrap();
        assert_eq!(word(&read(&mut source, block::SIZE), block::capacity), -1);

        fs::write(at("size"), "9223372036854775807\n").unwrap();
        assert_eq!(size_of(&roots, (8, 0)), None);
        fs::write(at("size"), "-1\n").unwrap();
        assert_eq!(size_of(&roots, (8, 0)), None);
        assert_eq!(size_of(&roots, (8, 1)), None);
    }
    #[test]
    fn a_size_is_of_the_device_that_it_was_read_of() {
        let tree = tempfile::tempdir().unwrap();
        let at = |path: &str| tree.path().join("dev/block").join(path);
        let make = |diskseq: u32, size: u32| {
            fs::create_dir_all(at("8:0")).unwrap();
            fs::write(at("8:0/stat"), "1 2 3 4 5 6 7 8 9 10 11\n").unwrap();
            fs::write(at("8:0/diskseq"), diskseq.to_string()).unwrap();
            fs::write(at("8:0/size"), size.to_string()).unwrap();
        };
        make(1, 100);
        let roots = Arc::new(Roots::new(std::path::Path::new("/"), &[("sys", tree.path())]).unwrap());
        let tracked = [(((8, 0), None), 0)];
        let inner = block_stat::open(&roots, tracked, &mut crate::source::OpenHandles::new(), String::new());
        // Another disk gets the number before the size is read, and gives it back before the first poll.
        fs::rename(at("8:0"), at("first")).unwrap();
        make(2, 200);
        let mut source = WithSizes::new(&roots, [((8, 0), 0)], inner);
        fs::rename(at("8:0"), at("second")).unwrap();
        fs::rename(at("first"), at("8:0")).unwrap();
        let mut capacity = || {
            let mut words = block::UNKNOWN;
            source.read(&mut Rows::new(bytemuck::cast_slice_mut(&mut words), 1, block::SIZE, block::SIZE).unwrap());
            let opened = source.reopening().map(|reopening| reopening(&roots));
            opened.into_iter().for_each(|opened| assert_eq!(source.reopened(opened), 0));
            (words[block::state], words[block::capacity])
        };
        assert_eq!(capacity(), (State::Ok as i64, -1));
        assert_eq!(capacity(), (State::Ok as i64, 100 * SECTOR));
    }
}
