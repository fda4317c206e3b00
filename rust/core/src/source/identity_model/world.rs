//! The kernel of the model: interfaces, their names and numbers, and the sockets on which their changes are announced.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};

use rustix::io::Errno;

use crate::parse::links::Link;
use crate::source::identity::change_socket::Change;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::interfaces::Interfaces;
use crate::source::identity::numbering::{Effect, Identity};

/// What happens at one instant, if it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Rename(&'static str, &'static str),
    /// `a` and `b` exchange their names.
    Exchange,
    Remove(&'static str),
    /// A new interface, or one from another namespace; with the number of the last one that was removed.
    Create(&'static str, WithNumber),
    /// Another interface takes the name and the number of this one.
    Recreate(&'static str),
    /// More messages than the socket holds.
    Flood,
    FailReading,
    FailCheck,
    /// No descriptors for the next poll's sockets, which are opened again.
    Shortage,
    /// The next plan has another kind of source.
    Replan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithNumber {
    New,
    OfTheLast,
}

pub(super) const EVENTS: [Event; 18] = [
    Event::Exchange,
    Event::Recreate("a"),
    Event::Recreate("b"),
    Event::Rename("a", "x"),
    Event::Rename("b", "a"),
    Event::Rename("a", "b"),
    Event::Rename("x", "a"),
    Event::Rename("x", "b"),
    Event::Remove("a"),
    Event::Remove("b"),
    Event::Create("a", WithNumber::New),
    Event::Create("a", WithNumber::OfTheLast),
    Event::Create("b", WithNumber::OfTheLast),
    Event::Flood,
    Event::FailReading,
    Event::FailCheck,
    Event::Shortage,
    Event::Replan,
];

pub(super) const NAMES: [&str; 2] = ["a", "b"];
const CAPACITY: usize = 6;

pub(super) struct Device {
    /// What its counters are, and those of no other device.
    pub(super) mark: i64,
    pub(super) index: u32,
    pub(super) name: &'static str,
}

/// A socket of announcements.
#[derive(Default)]
struct Socket {
    queue: VecDeque<(u32, &'static str, bool)>,
    lost: bool,
    congested: bool,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) devices: Vec<Device>,
    made: i64,
    numbers: u32,
    last_removed: u32,
    /// Whether sysfs shows this namespace.
    pub(super) has_folders: bool,
    sockets: Vec<Socket>,
    pub(super) fails_reading: bool,
    fails_check: bool,
    is_short: bool,
    pub(super) replan: bool,
    /// Steps before each event.
    pub(super) schedule: VecDeque<(usize, Event)>,
    /// Who has had which name since the poll began.
    pub(super) held: HashSet<(&'static str, i64)>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

pub(super) fn world<T>(with: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(with)
}

/// A point at which the kernel may do something else first.
pub(super) fn step() {
    world(|world| {
        while let Some((steps, event)) = world.schedule.front_mut() {
            if *steps > 0 {
                *steps -= 1;
                return;
            }
            let event = *event;
            world.schedule.pop_front();
            world.happens(event);
        }
    });
}

impl World {
    pub(super) fn new(has_folders: bool) -> World {
        World { has_folders, ..World::default() }
    }

    pub(super) fn named(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.name == name)
    }

    fn announce(&mut self, index: u32, name: &'static str, is_removed: bool) {
        for socket in self.sockets.iter_mut().filter(|socket| !socket.congested) {
            if socket.queue.len() == CAPACITY {
                (socket.lost, socket.congested) = (true, true);
            } else {
                socket.queue.push_back((index, name, is_removed));
            }
        }
    }

    pub(super) fn create(&mut self, name: &'static str, number: WithNumber) {
        let index = match number {
            WithNumber::OfTheLast if self.devices.iter().all(|device| device.index != self.last_removed) => {
                self.last_removed
            }
            _ => {
                self.numbers += 1;
                self.numbers
            }
        };
        self.made += 1;
        self.devices.push(Device { mark: self.made, index, name });
        self.held.insert((name, self.made));
        self.announce(index, name, false);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Rename(from, to) if self.named(to).is_none() => {
                if let Some(device) = self.devices.iter_mut().find(|device| device.name == from) {
                    device.name = to;
                    let (mark, index) = (device.mark, device.index);
                    self.held.insert((to, mark));
                    self.announce(index, to, false);
                }
            }
            Event::Exchange => {
                for (from, to) in [("a", "y"), ("b", "a"), ("y", "b")] {
                    self.happens(Event::Rename(from, to));
                }
            }
            Event::Recreate(name) if self.named(name).is_some() => {
                self.happens(Event::Remove(name));
                self.create(name, WithNumber::OfTheLast);
            }
            Event::Remove(name) => {
                if let Some(place) = self.devices.iter().position(|device| device.name == name) {
                    let device = self.devices.remove(place);
                    self.last_removed = device.index;
                    self.announce(device.index, name, true);
                }
            }
            Event::Create(name, number) if self.named(name).is_none() => self.create(name, number),
            Event::Rename(..) | Event::Create(..) | Event::Recreate(_) => {}
            Event::Flood => (0..=CAPACITY).for_each(|_| self.announce(99, "other", false)),
            Event::FailReading => self.fails_reading = true,
            Event::FailCheck => self.fails_check = true,
            Event::Shortage => self.is_short = true,
            Event::Replan => self.replan = true,
        }
    }
}

/// The numbers and messages of the model.
#[derive(Default)]
pub(super) struct Model {
    socket: Option<usize>,
}

impl Identity for Model {
    type Key = Box<[u8]>;

    const KEEPS_KEY: bool = false;

    fn ready(&mut self) -> Result<bool, Errno> {
        if self.socket.is_some() {
            return Ok(false);
        }
        world(|world| {
            if std::mem::take(&mut world.is_short) {
                return Err(Errno::MFILE);
            }
            world.sockets.push(Socket::default());
            self.socket = Some(world.sockets.len() - 1);
            Ok(true)
        })
    }

    fn is_short(&self) -> bool {
        self.socket.is_none()
    }

    fn of(&self, name: &Box<[u8]>, known: Option<DeviceId>) -> Result<Option<DeviceId>, Errno> {
        step();
        if self.socket.is_none() || world(|world| std::mem::take(&mut world.fails_check)) {
            return Err(Errno::MFILE);
        }
        let index = world(|world| {
            match known {
                Some(DeviceId::Interface { index, .. }) => world.devices.iter().find(|device| device.index == index),
                _ => world.devices.iter().find(|device| device.name.as_bytes() == name.as_ref()),
            }
            .filter(|device| device.name.as_bytes() == name.as_ref())
            .map(|device| device.index)
        });
        let Some(index) = index else { return Ok(None) };
        step();
        let folder = world(|world| match world.has_folders {
            false => Some(0),
            true => {
                let is_it = |device: &&Device| device.name.as_bytes() == name.as_ref() && device.index == index;
                world.devices.iter().find(is_it).map(|device| device.mark.cast_unsigned())
            }
        });
        Ok(folder.map(|folder| DeviceId::Interface { index, folder }))
    }

    fn is_announced(&self) -> bool {
        self.socket.is_some()
    }

    fn drain(&mut self, _: &mut usize, each: &mut dyn FnMut(Change<'_>)) {
        let Some(socket) = self.socket else { return };
        loop {
            step();
            if world(|world| std::mem::take(&mut world.sockets[socket].lost)) {
                each(Change::Lost);
                continue;
            }
            match world(|world| world.sockets[socket].queue.pop_front()) {
                Some((index, name, is_removed)) => {
                    each(Change::Interface(Link { index, name: name.as_bytes(), state: 0, is_removed }));
                }
                None => return world(|world| world.sockets[socket].congested = false),
            }
        }
    }

    fn unreceived(&self) -> Option<Errno> {
        None
    }

    fn effect(change: &Change<'_>, name: &Box<[u8]>, id: DeviceId) -> Effect {
        Interfaces::effect(change, name, id)
    }
}
