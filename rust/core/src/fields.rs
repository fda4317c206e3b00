//! The field table: the one place where a counter is named.
//!
//! A record is a C struct of signed 64-bit words. Its dtype, Arrow schema, Python attributes, CLI columns, metrics and
//! `docs/abi.md` are generated from these rows. A published row never moves: later versions only append.
//!
//! Version 1 is byte for byte libvirt's `virDomainBlockStatsStruct` (40 bytes) and `virDomainInterfaceStatsStruct`
//! (64 bytes), unchanged there since 2007.

use crate::state::State;

/// How a number behaves over time, and so whether it has a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows until the device is reset: the difference of two makes a rate.
    Counter,
    /// Rises and falls: shown as it is.
    Gauge,
    /// Describes the row (its time, its state), not the device.
    Row,
}

impl Kind {
    /// The word in docs and in Python.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Row => "row",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are enough
pub enum Unit {
    Requests,
    Bytes,
    Packets,
    Events,
    Nanoseconds,
    Number,
}

impl Unit {
    /// The word in docs and in Python.
    pub const fn word(self) -> &'static str {
        match self {
            Unit::Requests => "requests",
            Unit::Bytes => "bytes",
            Unit::Packets => "packets",
            Unit::Events => "events",
            Unit::Nanoseconds => "ns",
            Unit::Number => "number",
        }
    }
}

/// A column of the command's table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Its heading: sysstat's, where sysstat has the same value.
    pub heading: &'static str,
    /// The factor from the rate per second to the column's unit.
    pub scale: f64,
}

/// One word of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name of the struct member, dtype field, Python attribute and JSON key.
    pub name: &'static str,
    /// Its offset in the struct, in bytes.
    pub offset: usize,
    /// The struct version that introduced it.
    pub version: u8,
    /// Counter, gauge, or a property of the row.
    pub kind: Kind,
    /// What is counted.
    pub unit: Unit,
    /// Its column in the command's table; None if only JSON, CSV and the API show it.
    pub column: Option<Column>,
    /// One sentence for docs, help texts and metrics.
    pub help: &'static str,
}

impl Field {
    /// Its index in a record.
    #[inline]
    pub const fn word(&self) -> usize {
        self.offset / WORD
    }
}

/// A table of records of one kind, as a type, for code that is generic over both.
pub trait Table {
    /// The newest struct, in words.
    type Record: Copy + AsRef<[i64]> + AsMut<[i64]> + Send + 'static;
    /// Its fields.
    const FIELDS: &'static [Field];
    /// Bytes of the newest struct.
    const SIZE: usize;
    /// A record of which every word is -1.
    const UNKNOWN: Self::Record;
    /// The index of `time_ns`.
    const TIME_NS: usize;
    /// The index of `generation`.
    const GENERATION: usize;
    /// The index of `state`.
    const STATE: usize;
    /// The word that tells which of its poller's rows it is.
    const ROW_ID: usize;

    /// The record with the words that describe its row.
    #[inline]
    fn stamped(mut record: Self::Record, time_ns: i64, generation: i64, state: State) -> Self::Record {
        let words = record.as_mut();
        words[Self::TIME_NS] = time_ns;
        words[Self::GENERATION] = generation;
        words[Self::STATE] = state as i64;
        record
    }
}

/// The size of one word of a record, in bytes.
pub const WORD: usize = size_of::<i64>();

const fn column(heading: &'static str, scale: f64) -> Option<Column> {
    Some(Column { heading, scale })
}

/// As in sysstat, 1 kB is 1024 bytes.
const KB: f64 = 1.0 / 1024.0;
/// From ns per second to the mean number in flight.
const IN_FLIGHT: f64 = 1e-9;
/// From busy ns per second to per cent.
const PERCENT: f64 = 1e-7;

/// Passes the block table to the given macro.
#[macro_export]
macro_rules! block_fields {
    ($callback:ident) => {
        $callback! {
            rd_req 1 Counter Requests column("r/s", 1.0),
                "read requests completed";
            rd_bytes 1 Counter Bytes column("rkB/s", KB),
                "bytes read";
            wr_req 1 Counter Requests column("w/s", 1.0),
                "write requests completed";
            wr_bytes 1 Counter Bytes column("wkB/s", KB),
                "bytes written";
            errs 1 Counter Events None,
                "Xen's oo_req: times that blkback found no free request slot (not I/O errors; here for compatibility with libvirt)";
            fl_req 2 Counter Requests column("f/s", 1.0),
                "flush requests completed (block devices: since Linux 5.5)";
            ds_req 2 Counter Requests column("d/s", 1.0),
                "discard requests completed (block devices: since Linux 4.18)";
            ds_bytes 2 Counter Bytes column("dkB/s", KB),
                "bytes discarded (block devices: since Linux 4.18)";
            rd_time 2 Counter Nanoseconds None,
                "total time of all read requests (block devices count milliseconds in 32 bits)";
            wr_time 2 Counter Nanoseconds None,
                "total time of all write requests";
            fl_time 2 Counter Nanoseconds None,
                "total time of all flush requests (block devices: since Linux 5.5)";
            ds_time 2 Counter Nanoseconds None,
                "total time of all discard requests (block devices: since Linux 4.18)";
            rd_merged 2 Counter Requests None,
                "read requests merged into a queued one";
            wr_merged 2 Counter Requests None,
                "write requests merged into a queued one";
            in_flight 2 Gauge Requests None,
                "requests issued to the device and not yet completed";
            busy_time 2 Counter Nanoseconds column("%util", PERCENT),
                "time with at least one request in flight (the kernel counts timer ticks)";
            queue_time 2 Counter Nanoseconds column("aqu-sz", IN_FLIGHT),
                "total time that requests spent in flight";
            time_ns 2 Row Nanoseconds None,
                "when this row was read, or reported by the VMM, on the monotonic clock; -1: no report yet";
            generation 2 Row Number None,
                "goes up when another device takes this row's place; -1: no device seen yet";
            state 2 Row Number None,
                "0: the counters are current; 5: they are old; any other number says why they are -1 (see States)";
            ds_merged 3 Counter Requests None,
                "discard requests merged into a queued one (block devices: since Linux 4.18)";
            rd_failed 3 Counter Requests None,
                "read requests that failed (QEMU)";
            wr_failed 3 Counter Requests None,
                "write requests that failed (QEMU)";
            fl_failed 3 Counter Requests None,
                "flush requests that failed (QEMU)";
            ds_failed 3 Counter Requests None,
                "discard requests that failed (QEMU)";
            rd_invalid 3 Counter Requests None,
                "invalid read requests (QEMU)";
            wr_invalid 3 Counter Requests None,
                "invalid write requests (QEMU)";
            fl_invalid 3 Counter Requests None,
                "invalid flush requests (QEMU)";
            ds_invalid 3 Counter Requests None,
                "invalid discard requests (QEMU)";
            wr_highest 3 Gauge Bytes None,
                "end of the highest write to the disk since the VMM opened it (QEMU)";
            allocation 3 Gauge Bytes None,
                "end of the highest write to the image file, as libvirt's allocation; 0 before the first (QEMU)";
            capacity 3 Gauge Bytes None,
                "size of the disk as the guest sees it";
            physical 3 Gauge Bytes None,
                "space used on the host: an image file's allocated part (its length if that is 0), or a block device's size";
            row_id 4 Row Number None,
                "number of this row in its poller: it stays when a later plan moves the row, and no other row ever has it";
        }
    };
}

/// Passes the interface table to the given macro.
#[macro_export]
macro_rules! interface_fields {
    ($callback:ident) => {
        $callback! {
            rx_bytes 1 Counter Bytes column("rxkB/s", KB),
                "bytes received";
            rx_packets 1 Counter Packets column("rxpck/s", 1.0),
                "packets received";
            rx_errs 1 Counter Packets column("rxerr/s", 1.0),
                "packets received with errors";
            rx_drop 1 Counter Packets column("rxdrop/s", 1.0),
                "packets dropped on receive (on the host's rx side rx_dropped + rx_missed_errors, as in /proc/net/dev)";
            tx_bytes 1 Counter Bytes column("txkB/s", KB),
                "bytes sent";
            tx_packets 1 Counter Packets column("txpck/s", 1.0),
                "packets sent";
            tx_errs 1 Counter Packets column("txerr/s", 1.0),
                "packets not sent because of an error";
            tx_drop 1 Counter Packets column("txdrop/s", 1.0),
                "packets dropped on transmit";
            rx_fifo 2 Counter Packets None,
                "packets lost because the receive queue was full";
            rx_frame 2 Counter Packets None,
                "framing errors received (length + overrun + CRC + alignment); -1 in the guest's view: transmit has none";
            rx_compressed 2 Counter Packets None,
                "compressed packets received (SLIP, PPP)";
            rx_multicast 2 Counter Packets None,
                "multicast packets received; -1 in the guest's view: the kernel does not count them on transmit";
            tx_fifo 2 Counter Packets None,
                "packets lost because the send queue was full";
            tx_colls 2 Counter Packets None,
                "collisions; -1 in the guest's view: the host has none for packets that it receives";
            tx_carrier 2 Counter Packets None,
                "carrier losses (carrier + aborted + window + heartbeat errors); -1 in the guest's view, as tx_colls";
            tx_compressed 2 Counter Packets None,
                "compressed packets sent (SLIP, PPP)";
            time_ns 2 Row Nanoseconds None,
                "when this row was read, on the monotonic clock; -1: never";
            generation 2 Row Number None,
                "goes up when another device takes this row's place; -1: no device seen yet";
            state 2 Row Number None,
                "0: the counters are current; 5: they are old; any other number says why they are -1 (see States)";
            row_id 3 Row Number None,
                "number of this row in its poller: it stays when a later plan moves the row, and no other row ever has it";
        }
    };
}

macro_rules! record {
    ($($name:ident $version:literal $kind:ident $unit:ident $column:expr, $help:literal;)+) => {
        #[allow(non_camel_case_types)]
        enum Word { $($name),+ }

        $(#[doc = $help] pub const $name: usize = Word::$name as usize;)+

        /// The rows of the table, in the order of the struct.
        pub static FIELDS: &[super::Field] = {
            #[allow(clippy::wildcard_imports)] // for the names in the rows
            use super::*;
            &[$(Field {
                name: stringify!($name),
                offset: WORD * $name,
                version: $version,
                kind: Kind::$kind,
                unit: Unit::$unit,
                column: $column,
                help: $help,
            }),+]
        };

        /// Words of the newest struct.
        pub const WORDS: usize = [$($name),+].len();
        /// The newest struct, in words.
        pub type Record = [i64; WORDS];
        /// Bytes of the newest struct: the largest size that a caller may request.
        pub const SIZE: usize = super::WORD * WORDS;
        /// A record without any value: -1 means "the source does not have it", which is never 0.
        pub const UNKNOWN: Record = [-1; WORDS];

        /// This table, as a type.
        #[derive(Debug)]
        pub struct Table;

        impl $crate::fields::Table for Table {
            type Record = Record;
            const FIELDS: &'static [$crate::fields::Field] = FIELDS;
            const SIZE: usize = SIZE;
            const UNKNOWN: Record = UNKNOWN;
            const TIME_NS: usize = time_ns;
            const GENERATION: usize = generation;
            const STATE: usize = state;
            const ROW_ID: usize = row_id;
        }
    };
}

/// The words of a block record, by name: `record[block::rd_bytes]`.
#[allow(non_upper_case_globals)]
pub mod block {
    block_fields!(record);
    /// Bytes of version 1: libvirt's `virDomainBlockStatsStruct`.
    pub const V1_SIZE: usize = 40;
}

/// The words of an interface record, by name: `record[interface::rx_bytes]`.
#[allow(non_upper_case_globals)]
pub mod interface {
    interface_fields!(record);
    /// Bytes of version 1: libvirt's `virDomainInterfaceStatsStruct`.
    pub const V1_SIZE: usize = 64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_comes_first_and_versions_only_rise() {
        for (fields, v1_size) in [(block::FIELDS, block::V1_SIZE), (interface::FIELDS, interface::V1_SIZE)] {
            assert!(fields.is_sorted_by_key(|field| (field.version, field.offset)));
            let v1 = fields.iter().filter(|field| field.version == 1).count();
            assert_eq!(v1 * WORD, v1_size);
        }
    }

    #[test]
    fn offsets_leave_no_holes() {
        for fields in [block::FIELDS, interface::FIELDS] {
            for (index, field) in fields.iter().enumerate() {
                assert_eq!(field.offset, index * WORD, "{}", field.name);
            }
        }
    }
}
