//! Disk and network counters of every VM on a Linux host, read straight from the kernel.

pub mod clock;
pub mod error;
pub mod fields;
pub mod roots;
pub mod state;
