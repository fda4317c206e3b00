//! What holds for interfaces whatever they are read by: their numbers, their rows, their network namespaces.

pub(crate) mod index;
pub(crate) mod interfaces;
pub(crate) mod namespace;
pub(crate) mod rows;
