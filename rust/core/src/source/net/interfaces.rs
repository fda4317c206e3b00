//! The interfaces of a network namespace and their numbers, for discovery.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::io::Errno;

use super::index::InterfaceIndex;
use super::namespace;
use crate::error::Error;
use crate::parse::netdev;
use crate::roots::Roots;

/// An interface's name, and its number where that can be determined.
pub type Interface = (OsString, Option<u32>);

/// 10,000 interfaces are 2 MB.
const MAX_LENGTH: u64 = 64 << 20;

/// The interfaces of the machine's /proc/net/dev, or of a namespace (/run/netns/NAME, /proc/PID/ns/net), in the
/// kernel's order. Numbers need a socket in the namespace: they are None on a captured machine, and in a namespace that
/// cannot be entered.
pub fn interfaces(roots: &Roots, namespace: Option<&Path>) -> Result<Vec<Interface>, Error> {
    let Some(namespace) = namespace else {
        return read(roots, namespace::NET_DEV, namespace::sockets_see(roots, namespace::NET_DEV).is_ok());
    };
    let entered = if roots.has_this_network() {
        namespace::within(roots, namespace, || read(roots, namespace::THREAD_NET_DEV, true))
    } else {
        Err(namespace::CAPTURED)
    };
    match (entered, namespace::file_of_process(namespace)) {
        (Ok(found), _) => found,
        (Err(_), Some(file)) => read(roots, &file, false),
        (Err(failure), None) => Err(failure.error(roots.shown(namespace))),
    }
}

fn read(roots: &Roots, path: &str, numbers: bool) -> Result<Vec<Interface>, Error> {
    let mut text = Vec::new();
    let file = namespace::open_net_dev(roots, path)?;
    let path = Path::new(path);
    let read = File::from(file).take(MAX_LENGTH).read_to_end(&mut text);
    read.map_err(|error| Error::Read {
        path: roots.shown(path),
        errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
    })?;
    let index = if numbers { InterfaceIndex::open().ok() } else { None };
    let interface = |line| {
        let (name, _) = netdev::split(line)?;
        Some((OsString::from_vec(name.to_vec()), index.as_ref().and_then(|index| index.of(name).ok()?)))
    };
    Ok(text.split(|byte| *byte == b'\n').filter_map(interface).collect())
}
