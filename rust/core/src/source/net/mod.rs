//! Network interfaces, whatever source reads them: their numbers and namespaces.

pub(crate) mod index;
pub(crate) mod interfaces;
#[cfg(test)]
pub(crate) mod made_namespace;
pub(crate) mod multicast;
pub(crate) mod namespace;
pub(crate) mod sysfs;
pub(crate) mod unix_listeners;
