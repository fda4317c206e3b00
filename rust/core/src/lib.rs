//! Disk and network counters of every VM on a Linux host, read straight from the kernel.

pub mod boot_time;
pub mod clock;
pub mod earlier_rows;
pub mod error;
pub mod events;
pub mod fields;
pub mod fork_guard;
pub mod latest_stats;
pub mod parse;
pub mod plan;
pub mod plan_id;
pub mod poller;
pub mod rates;
pub mod roots;
pub mod rows;
mod signal_mask;
mod source;
pub use source::Explanation;
pub use source::net::interfaces::{Interface, interfaces};
pub use source::net::unix_listeners::unix_listeners;
pub use source::worker::process_reads::read_process;
pub mod state;
