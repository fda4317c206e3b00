//! What each kind of device has to say: how it is numbered, and what an announced change means.

use rustix::io::Errno;

use super::change_socket::Change;
use super::device_id::DeviceId;

/// What a change means for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// It may have lost its key.
    Doubt,
    /// It may be gone, even if a device of the same id has the key now.
    Lost,
    /// It is gone.
    Removed,
}

/// How the devices of one kind are numbered, and how their changes are announced.
pub(crate) trait Identity: Send {
    /// What names a device.
    type Key;

    /// Whether a device keeps its key for as long as it exists.
    const KEEPS_KEY: bool;

    /// Opens what could not be opened before, for lack of descriptors or memory: without it nothing can be verified.
    /// Returns whether it has, so that earlier changes were missed.
    fn ready(&mut self) -> Result<bool, Errno>;

    /// Whether that is still missing.
    fn is_short(&self) -> bool;

    /// The device of this key, None if there is none. With a `known` one the result may be that or None. An error, such
    /// as a lack of descriptors, leaves it open.
    fn of(&self, key: &Self::Key, known: Option<DeviceId>) -> Result<Option<DeviceId>, Errno>;

    /// Whether the kernel announces changes to this process. It may be forbidden to.
    fn is_announced(&self) -> bool;

    /// Calls `each` with every change announced since the last call; `calls` counts system calls, one if there is none.
    fn drain(&mut self, calls: &mut usize, each: &mut dyn FnMut(Change<'_>));

    /// Why the last `drain` could not receive what was announced.
    fn unreceived(&self) -> Option<Errno>;

    /// What a change means for the device that had this key and id.
    fn effect(change: &Change<'_>, key: &Self::Key, id: DeviceId) -> Effect;
}

/// Of devices that keep their key, or cannot be told apart.
pub(crate) enum Unnumbered {}

impl Identity for Unnumbered {
    type Key = ();

    const KEEPS_KEY: bool = true;

    fn ready(&mut self) -> Result<bool, Errno> {
        match *self {}
    }

    fn is_short(&self) -> bool {
        match *self {}
    }

    fn of(&self, _: &(), _: Option<DeviceId>) -> Result<Option<DeviceId>, Errno> {
        match *self {}
    }

    fn is_announced(&self) -> bool {
        match *self {}
    }

    fn drain(&mut self, _: &mut usize, _: &mut dyn FnMut(Change<'_>)) {
        match *self {}
    }

    fn unreceived(&self) -> Option<Errno> {
        match *self {}
    }

    fn effect(_: &Change<'_>, _: &(), _: DeviceId) -> Effect {
        Effect::Nothing
    }
}

/// Lacks that end by themselves: what could not be opened for one may be opened later.
pub(crate) fn is_short(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

/// None if it is refused, whatever for; an error for a lack that may end.
pub(super) fn unless_short<T>(opened: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(errno) if is_short(errno) => Err(errno),
        Err(_) => Ok(None),
    }
}
