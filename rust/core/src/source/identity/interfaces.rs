//! How interfaces are numbered: by ifindex in their network namespace, and by their folder in sysfs.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::change_socket::{Change, ChangeSocket};
use super::device_id::DeviceId;
use super::numbering::{Effect, Identity, is_short, unless_short};
use crate::parse::links::Link;
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::{namespace, sysfs};

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The interfaces of one network namespace.
pub(crate) struct Interfaces {
    roots: Arc<Roots>,
    /// The machine's /proc/net/dev, or that of the thread that has opened it.
    is_machines: bool,
    open: Result<Open, Errno>,
}

struct Open {
    index: InterfaceIndex,
    /// None if the process may not use netlink.
    changes: Option<ChangeSocket>,
    /// /sys/class/net, if it shows the same namespace.
    class: Option<OwnedFd>,
}

impl Interfaces {
    /// Those of the calling thread's namespace, if the file at `path` shows the same one; None if nothing numbers them.
    pub(crate) fn open(roots: &Arc<Roots>, path: &str) -> Option<Interfaces> {
        namespace::sockets_see(roots, path).ok()?;
        let is_machines = path == namespace::NET_DEV;
        let open = Open::new(roots, is_machines);
        let is_refused = open.as_ref().is_err_and(|errno| !is_short(*errno));
        (!is_refused).then(|| Interfaces { roots: Arc::clone(roots), is_machines, open })
    }

    /// As `open`, but fails if anything is missing.
    pub(crate) fn at_once(roots: &Arc<Roots>, path: &str) -> Result<Interfaces, Failure> {
        match Interfaces::open(roots, path) {
            Some(Interfaces { open: Err(errno), .. }) => Err(errno.into()),
            interfaces => interfaces.ok_or(Failure::Malformed("nothing numbers its interfaces")),
        }
    }
}

impl Open {
    fn new(roots: &Roots, is_machines: bool) -> Result<Open, Errno> {
        let changes = unless_short(ChangeSocket::of_interfaces())?;
        let class = if is_machines && roots.has_this_network() && sysfs::shows_this_namespace(roots)? {
            unless_short(roots.open(Path::new(sysfs::CLASS)).map_err(|error| error.errno().unwrap_or(Errno::IO)))?
        } else {
            None
        };
        Ok(Open { index: InterfaceIndex::open()?, changes, class })
    }

    /// The inode of the folder in sysfs of this interface. None if the name is another one's by now, or no one's.
    fn folder(&self, name: &[u8], index: u32) -> Result<Option<u64>, Errno> {
        let Some(class) = &self.class else { return Ok(Some(0)) };
        let folder = match openat(class, name, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            folder => folder?,
        };
        match sysfs::index(&folder) {
            Ok(own) if own == index => Ok(Some(fstat(&folder)?.st_ino)),
            Ok(_) | Err(Failure::Errno(Errno::NODEV | Errno::NOENT)) => Ok(None),
            Err(Failure::Errno(errno)) => Err(errno),
            Err(_) => Err(Errno::IO),
        }
    }
}

impl Identity for Interfaces {
    type Key = Box<[u8]>;

    const KEEPS_KEY: bool = false;

    fn ready(&mut self) -> Result<bool, Errno> {
        let Err(errno) = self.open else { return Ok(false) };
        // Another thread may be in another namespace.
        if !self.is_machines || namespace::sockets_see(&self.roots, namespace::NET_DEV).is_err() {
            return Err(errno);
        }
        self.open = Open::new(&self.roots, self.is_machines);
        self.open.as_ref().map(|_| true).map_err(|errno| *errno)
    }

    fn is_short(&self) -> bool {
        self.open.is_err()
    }

    fn of(&self, name: &Box<[u8]>, known: Option<DeviceId>) -> Result<Option<DeviceId>, Errno> {
        let open = self.open.as_ref().map_err(|errno| *errno)?;
        let known = match known {
            Some(DeviceId::Interface { index, .. }) => Some(index),
            _ => None,
        };
        let Some(index) = open.index.still(name, known)? else { return Ok(None) };
        Ok(open.folder(name, index)?.map(|folder| DeviceId::Interface { index, folder }))
    }

    fn is_announced(&self) -> bool {
        self.open.as_ref().is_ok_and(|open| open.changes.is_some())
    }

    #[inline]
    fn drain(&mut self, calls: &mut usize, each: &mut dyn FnMut(Change<'_>)) {
        if let Ok(Open { changes: Some(changes), .. }) = &mut self.open {
            changes.drain(calls, each);
        }
    }

    fn unreceived(&self) -> Option<Errno> {
        self.open.as_ref().ok()?.changes.as_ref()?.failed()
    }

    fn effect(change: &Change<'_>, name: &Box<[u8]>, id: DeviceId) -> Effect {
        let DeviceId::Interface { index: own, folder } = id else { return Effect::Doubt };
        match change {
            // A lost message may have announced its removal, and another interface may have its number.
            Change::Lost if folder == 0 => Effect::Lost,
            Change::Lost | Change::BlockDevice(_) => Effect::Doubt,
            Change::Interface(Link { index, name: now, is_removed, .. }) => {
                match (*index == own, *now == name.as_ref(), is_removed) {
                    (true, _, true) => Effect::Removed,
                    (true, true, false) | (false, false, _) => Effect::Nothing,
                    (true, false, false) | (false, true, _) => Effect::Doubt,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(change: &Change<'_>, folder: u64) -> Effect {
        Interfaces::effect(change, &Box::from(&b"vnet0"[..]), DeviceId::Interface { index: 7, folder })
    }

    #[test]
    fn only_messages_about_its_number_or_name_matter() {
        let link = |index, name, is_removed| Change::Interface(Link { index, name, state: 0, is_removed });
        for (change, expected) in [
            (link(7, b"vnet0", false), Effect::Nothing),
            (link(8, b"vnet1", false), Effect::Nothing),
            (link(8, b"vnet1", true), Effect::Nothing),
            (link(7, b"vnet1", false), Effect::Doubt),
            (link(8, b"vnet0", false), Effect::Doubt),
            (link(8, b"vnet0", true), Effect::Doubt),
            (link(7, b"vnet0", true), Effect::Removed),
            (link(7, b"vnet1", true), Effect::Removed),
        ] {
            assert_eq!(effect(&change, 0), expected, "{change:?}");
        }
        assert_eq!((effect(&Change::Lost, 0), effect(&Change::Lost, 4711)), (Effect::Lost, Effect::Doubt));
    }

    #[test]
    fn lo_is_the_same_until_it_has_another_number_or_name() {
        let roots = Arc::new(Roots::machine().unwrap());
        let interfaces = Interfaces::open(&roots, namespace::NET_DEV).unwrap();
        let name: Box<[u8]> = Box::from(&b"lo"[..]);
        let lo = interfaces.of(&name, None).unwrap();
        let Some(DeviceId::Interface { index, folder }) = lo else { panic!("{lo:?}") };
        assert_eq!(interfaces.of(&name, lo), Ok(lo));
        assert_eq!(interfaces.of(&name, Some(DeviceId::Interface { index: u32::MAX >> 1, folder })), Ok(None));
        assert_eq!(interfaces.of(&Box::from(&b"none-such"[..]), lo), Ok(None));
        // Re-created under its number, it would have another folder.
        let earlier = Some(DeviceId::Interface { index, folder: folder + 1 });
        assert_eq!(interfaces.of(&name, earlier), Ok(lo));
    }
}
