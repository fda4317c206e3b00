//! Which device a row shows. A row is the device, not its key: names and numbers pass to other devices.
//!
//! Each source names only how its device is numbered (`DeviceId`). All follow the same states:
//!
//! ```text
//!              opened, appeared              checked: it has the key
//!     ┌──────┐ ───────────────> ┌────────────┐ ───────────────────> ┌──────────┐
//!     │ gone │                  │ unverified │                      │ verified │ ─┐ read ok, drained:
//!     └──────┘ <─────────────── └────────────┘ <─────────────────── └──────────┘ <┘ nothing changed
//!        ^      checked: none,        │    ^    change message, lost      │
//!        │      read ok without it    └────┘    messages, reopened        │
//!        │                         check failed                           │
//!        └────────────────────────────────────────────────────────────────┘
//!                            removed, read ok without it
//! ```
//!
//! - Only a verified device's counters are shown. An unverified one is `unreadable`, and stays unverified until it was
//!   checked, however many polls that takes: neither a failed read nor a failed check forgets a change.
//! - A check that finds another device than the last verified one makes it the row's, with a new generation. A pinned
//!   row is *replaced* then: `gone`, until its own device has the key again.
//! - A new plan inherits the generation of each row with the id of its device, and compares that at its first check.
//!
//! The kernel announces every change (`change_socket.rs`), and sends the message about the old device before a new one
//! can take its key:
//! - An interface is removed, renamed or moved to another namespace under RTNL, which a new one needs to take the name
//!   (unregister_netdevice_many_notify, dev_change_name and __dev_change_net_namespace, net/core/dev.c).
//! - A disk is announced before its folder in /sys is removed, which a new one of that name needs (device_del,
//!   drivers/base/core.c). Its number becomes free only later.
//!
//! So a reading of verified devices counts if the drain after it finds no message about them. That "it had the key
//! before and has it now" is not enough where a device can give up its key and take it back.

pub(crate) mod change_socket;
pub(crate) mod device_id;
pub(crate) mod disks;
pub(crate) mod generation;
pub(crate) mod interfaces;
pub(crate) mod numbering;
pub(crate) mod tracked_devices;
pub(crate) mod tracked_interfaces;
pub(crate) mod verified_read;
