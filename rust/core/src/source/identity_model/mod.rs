//! The states of `identity` under a model of the kernel: interfaces are renamed, removed, re-created and announced at
//! every point of a poll, while readings and checks fail, messages are lost, sockets are missing and plans change.
//! Whatever happens, no row may show a device as another one, and each row recovers.

mod world;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use rustix::io::Errno;

use crate::error::Error;
use crate::fields::interface;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::device_files::{DeviceFiles, Handle};
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::generation::RowGeneration;
use crate::source::identity::numbering::Identity;
use crate::source::identity::tracked_devices::TrackedDevices;
use crate::source::identity::verified_read::read_verified;
use crate::source::{Explanation, Failure, OpenHandles, Source};
use crate::state::State;
use world::{EVENTS, Event, Model, NAMES, WithNumber, World, step, world};

/// A source of interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lines by name.
    File,
    /// Replies by number.
    Netlink,
    /// Open files.
    Handles,
}

fn record(mark: i64) -> interface::Record {
    let mut record = interface::UNKNOWN;
    record[interface::rx_bytes] = mark;
    record
}

/// Reads as /proc/net/dev or netlink is read.
struct ByKey {
    tracked: TrackedDevices<Box<[u8]>, ()>,
    identity: Model,
    kind: Kind,
}

impl ByKey {
    fn open(kind: Kind, pins: &[Option<u64>]) -> ByKey {
        let mut tracked = TrackedDevices::new();
        let mut device = HashMap::new();
        for (row, pin) in pins.iter().enumerate() {
            let name = NAMES[row % 2];
            let device = *device.entry(name).or_insert_with(|| tracked.push(Box::from(name.as_bytes())));
            tracked.add_row(device, row, (), *pin);
        }
        tracked.are_numbered();
        let mut identity = Model::default();
        if identity.ready().is_ok() {
            for (device, name) in NAMES.iter().enumerate() {
                step();
                if world(|world| world.named(name).is_some()) {
                    tracked.appeared(device);
                }
            }
            tracked.check(&identity);
        }
        ByKey { tracked, identity, kind }
    }
}

impl Source for ByKey {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let ByKey { tracked, identity, kind } = self;
        let outcome = read_verified(Some(identity), tracked, rows, &mut 0, |rows, tracked, _| {
            let numbers: Vec<_> = tracked.verified().collect();
            for (device, name) in NAMES.iter().enumerate() {
                step();
                if world(|world| std::mem::take(&mut world.fails_reading)) {
                    return Err(Failure::Errno(Errno::IO));
                }
                let number = numbers.iter().find_map(|(place, id)| (*place == device).then_some(*id));
                let found = world(|world| match (&kind, number) {
                    (Kind::Netlink, Some(DeviceId::Interface { index, .. })) => {
                        world.devices.iter().find(|device| device.index == index).map(|device| device.mark)
                    }
                    (Kind::Netlink, _) => None,
                    _ => world.named(name).map(|device| device.mark),
                });
                match found {
                    Some(mark) => tracked.fill::<interface::Table>(device, rows, 1, Some(|()| record(mark))),
                    // netlink's searches the file for names.
                    None if *kind == Kind::Netlink && world(|world| world.named(name).is_some()) => {
                        tracked.appeared(device);
                    }
                    None => {}
                }
            }
            Ok(())
        });
        tracked.finish::<interface::Table>(rows, outcome);
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, Path::new("model"))
    }

    fn explain(&self) -> Explanation {
        unreachable!()
    }

    fn catch_up(&mut self) {
        self.tracked.drain(&mut self.identity, &mut 0);
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.tracked.each_generation(each);
    }
}

/// An open file, which no other device inherits.
struct Open {
    mark: i64,
    id: DeviceId,
}

impl Handle for Open {
    type Device = (Box<[u8]>, Option<u64>);
    type Table = interface::Table;

    fn open(_: &Roots, (name, _): &Self::Device) -> (PathBuf, Result<Open, Failure>) {
        step();
        let open = world(|world| {
            let device = world.devices.iter().find(|device| device.name.as_bytes() == name.as_ref())?;
            let folder = if world.has_folders { device.mark as u64 } else { 0 };
            Some(Open { mark: device.mark, id: DeviceId::Interface { index: device.index, folder } })
        });
        (PathBuf::new(), open.ok_or(Failure::Errno(Errno::NOENT)))
    }

    fn id(&self) -> Option<DeviceId> {
        Some(self.id)
    }

    fn pin((_, pin): &Self::Device) -> Option<u64> {
        *pin
    }

    fn counters(&self, _: usize, _: &mut usize) -> Result<interface::Record, Failure> {
        step();
        if world(|world| std::mem::take(&mut world.fails_reading)) {
            return Err(Failure::Errno(Errno::IO));
        }
        let exists = world(|world| world.devices.iter().any(|device| device.mark == self.mark));
        if exists { Ok(record(self.mark)) } else { Err(Failure::Errno(Errno::NODEV)) }
    }
}

#[expect(clippy::borrowed_box, reason = "it is the key of the identity")]
fn name((name, _): &(Box<[u8]>, Option<u64>)) -> &Box<[u8]> {
    name
}

fn source(kind: Kind, pins: &[Option<u64>], open: &mut OpenHandles) -> Box<dyn Source> {
    if kind != Kind::Handles {
        return Box::new(ByKey::open(kind, pins));
    }
    let mut identity = Model::default();
    let _ = identity.ready();
    let tracked = pins.iter().enumerate().map(|(row, pin)| ((Box::from(NAMES[row % 2].as_bytes()), *pin), row));
    let roots = Roots::machine().unwrap();
    let files = DeviceFiles::<Open, Model>::open_numbered(&roots, tracked, open, String::new(), Some((identity, name)));
    Box::new(files)
}

/// A poller of the model.
struct Run {
    kind: Kind,
    pins: Vec<Option<u64>>,
    source: Box<dyn Source>,
    /// Which device each generation of a row is.
    seen: HashMap<(usize, i64), i64>,
}

impl Run {
    /// Two rows, one of each name, and two more that are pinned to the devices that have the names now.
    fn new(kind: Kind, has_folders: bool, schedule: Vec<(usize, Event)>) -> Run {
        world(|world| {
            *world = World::new(has_folders);
            NAMES.iter().for_each(|name| world.create(name, WithNumber::New));
        });
        let pins = vec![None, None, Some(1), Some(2)];
        let source = source(kind, &pins, &mut OpenHandles::new());
        world(|world| world.schedule = schedule.into());
        Run { kind, pins, source, seen: HashMap::new() }
    }

    fn poll(&mut self) -> Vec<(State, i64)> {
        world(|world| world.held = world.devices.iter().map(|device| (device.name, device.mark)).collect());
        step();
        let mut words = vec![0; self.pins.len() * interface::WORDS];
        let memory = bytemuck::cast_slice_mut(&mut words);
        self.source.read(&mut Rows::new(memory, self.pins.len(), interface::SIZE, interface::SIZE).unwrap());
        let (records, _) = words.as_chunks::<{ interface::WORDS }>();
        for (row, record) in records.iter().enumerate() {
            if record[interface::state] != State::Ok as i64 {
                assert!(self.source.problem(row).is_some());
                continue;
            }
            let (mark, generation) = (record[interface::rx_bytes], record[interface::generation]);
            assert_eq!(*self.seen.entry((row, generation)).or_insert(mark), mark, "row {row} mixes two devices");
            assert!(
                world(|world| world.held.contains(&(NAMES[row % 2], mark))),
                "row {row} shows another name's device"
            );
            // The first devices have the numbers 1 and 2, but may not be the only ones.
            assert!(self.pins[row].is_none_or(|pin| self.number_of(mark).is_none_or(|number| number == pin)));
        }
        records.iter().map(|row| (State::from_word(row[interface::state]).unwrap(), row[interface::rx_bytes])).collect()
    }

    fn number_of(&self, mark: i64) -> Option<u64> {
        world(|world| world.devices.iter().find(|device| device.mark == mark).map(|device| device.index.into()))
    }

    /// As `Poller::replan`, by a source of the next kind.
    fn replan(&mut self) {
        self.kind = match self.kind {
            Kind::File => Kind::Handles,
            Kind::Handles => Kind::Netlink,
            Kind::Netlink => Kind::File,
        };
        step();
        let mut open = OpenHandles::new();
        self.source.each_handle(&mut |row, handle| {
            open.insert(row, handle);
        });
        let mut next = source(self.kind, &self.pins, &mut open);
        let mut before = HashMap::new();
        self.source.catch_up();
        self.source.each_generation(&mut |row, generation| {
            before.insert(row, generation.clone());
        });
        next.each_generation(&mut |row, generation| generation.go_on(&before[&row]));
        self.source = next;
    }

    fn reopen(&mut self) {
        let roots = Arc::new(Roots::machine().unwrap());
        if let Some(reopening) = self.source.reopening() {
            let opened = reopening(&roots);
            self.source.reopened(opened);
        }
    }

    /// Polls until the schedule is empty, and then until the rows have recovered.
    fn run(&mut self) {
        while world(|world| !world.schedule.is_empty()) {
            self.poll();
            self.reopen();
            if world(|world| std::mem::take(&mut world.replan)) {
                self.replan();
            }
        }
        (0..3).for_each(|_| {
            self.poll();
            self.reopen();
        });
        let rows = self.poll();
        for (row, (state, mark)) in rows.into_iter().enumerate() {
            let device = world(|world| world.named(NAMES[row % 2]).map(|device| (device.mark, device.index)));
            let expected = device.filter(|(_, index)| self.pins[row].is_none_or(|pin| pin == u64::from(*index)));
            let expected = expected.map_or((State::Gone, -1), |(mark, _)| (State::Ok, mark));
            // A later device with the number of the pinned one is another, if its removal was announced.
            let is_later = self.pins[row].is_some_and(|pin| expected.1 != pin.cast_signed());
            assert!((state, mark) == expected || (state == State::Gone && is_later), "row {row}: {state:?} {mark}");
        }
    }
}

const KINDS: [Kind; 3] = [Kind::File, Kind::Netlink, Kind::Handles];

#[test]
fn two_events_at_every_point_of_a_poll() {
    const STEPS: usize = 5;
    let choices = EVENTS.len() * STEPS;
    for number in 0..choices.pow(2) {
        let event = |choice: usize| (choice % STEPS, EVENTS[choice / STEPS]);
        let schedule = vec![event(number % choices), event(number / choices)];
        for kind in KINDS {
            Run::new(kind, number % 2 == 0, schedule.clone()).run();
        }
    }
}

#[test]
fn a_change_that_nothing_announces() {
    for (steps, event) in (0..30).flat_map(|steps| EVENTS.map(|event| (steps, event))) {
        let schedule = vec![(0, Event::Shortage), (0, Event::Replan), (steps, event)];
        KINDS.into_iter().for_each(|kind| Run::new(kind, false, schedule.clone()).run());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_events_at_any_points(
        schedule in prop::collection::vec((0..8usize, prop::sample::select(&EVENTS[..])), 0..24),
        kind in prop::sample::select(&KINDS[..]),
        has_folders: bool,
    ) {
        Run::new(kind, has_folders, schedule).run();
    }
}
