//! The `procfs` crate: not a floor but a peer, measured here because it is in Rust. It opens and parses in every round.

use std::hint::black_box;
use std::io::{Error, Result, Write};

use crate::route::Route;

pub(crate) struct Interfaces;

impl Route for Interfaces {
    fn round(&mut self, _: &mut dyn FnMut(&[u8])) -> Result<()> {
        black_box(procfs::net::dev_status().map_err(Error::other)?);
        Ok(())
    }

    /// A line per interface: name and libvirt's eight counters.
    fn show(&mut self) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for (name, found) in procfs::net::dev_status().map_err(Error::other)? {
            write!(lines, "{name} {} {} ", found.recv_bytes, found.recv_packets)?;
            write!(lines, "{} {} ", found.recv_errs, found.recv_drop)?;
            write!(lines, "{} {} ", found.sent_bytes, found.sent_packets)?;
            writeln!(lines, "{} {}", found.sent_errs, found.sent_drop)?;
        }
        Ok(lines)
    }
}

pub(crate) struct Disks;

impl Route for Disks {
    fn round(&mut self, _: &mut dyn FnMut(&[u8])) -> Result<()> {
        black_box(procfs::diskstats().map_err(Error::other)?);
        Ok(())
    }

    /// A line per disk: name, reads, sectors read, writes, sectors written.
    fn show(&mut self) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for found in procfs::diskstats().map_err(Error::other)? {
            write!(lines, "{} {} {} ", found.name, found.reads, found.sectors_read)?;
            writeln!(lines, "{} {}", found.writes, found.sectors_written)?;
        }
        Ok(lines)
    }
}
