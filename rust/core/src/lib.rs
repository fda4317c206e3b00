//! Disk and network counters of every VM on a Linux host, read straight from the kernel.

pub mod clock;
pub mod error;
pub mod fields;
pub mod parse;
pub mod plan;
pub mod poller;
pub mod process;
pub mod rates;
pub mod report;
pub mod roots;
pub mod rows;
mod source;
pub mod started;
pub use source::Explanation;
pub use source::interfaces::{Interface, interfaces};
pub mod state;
mod threads;
