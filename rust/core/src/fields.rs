//! The field table: the one place where a counter is named.
//!
//! A record is a C struct of signed 64-bit words. Its dtype, Arrow schema, Python attributes, CLI columns, metrics and
//! `docs/abi.md` are all made from these rows. A published row never moves: later versions only append.
//!
//! Version 1 is byte for byte libvirt's `virDomainBlockStatsStruct` (40 bytes) and `virDomainInterfaceStatsStruct`
//! (64 bytes), unchanged there since 2007.

use crate::state::State;

/// What a number does as time passes, and so whether a rate can be made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until its device is reset: subtract two to get a rate.
    Counter,
    /// Goes up and down: shown as it is.
    Gauge,
    /// Says something of the row itself (when it was read, in which state), not of the device.
    Row,
}

impl Kind {
    /// The word used in docs and in Python.
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
#[allow(missing_docs)] // the words say it
pub enum Unit {
    Requests,
    Bytes,
    Packets,
    Events,
    Nanoseconds,
    Number,
}

impl Unit {
    /// The word used in docs and in Python.
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

/// How a field is shown in the command's table: its heading, and what its rate is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// sysstat's heading for the same thing, where it has one.
    pub heading: &'static str,
    /// From the raw rate (per second) to what the heading says.
    pub scale: f64,
}

/// One word of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name everywhere: struct member, dtype field, Python attribute, JSON key.
    pub name: &'static str,
    /// Where it starts in the struct, in bytes.
    pub offset: usize,
    /// The struct version that brought it.
    pub version: u8,
    /// Counter, gauge, or of the row itself.
    pub kind: Kind,
    /// What is counted.
    pub unit: Unit,
    /// Its column in the command's table; none for what only JSON, CSV and the API show.
    pub column: Option<Column>,
    /// One sentence for docs, help texts and metrics.
    pub help: &'static str,
}

impl Field {
    /// Its place in a record.
    #[inline]
    pub const fn word(&self) -> usize {
        self.offset / WORD
    }
}

/// A table of records of one kind, as a type: what holds for both kinds is written once.
pub trait Table {
    /// The newest struct, in words.
    type Record: Copy + AsRef<[i64]> + AsMut<[i64]> + Send + 'static;
    /// The rows of the field table.
    const FIELDS: &'static [Field];
    /// Bytes of the newest struct.
    const SIZE: usize;
    /// A record of which every word is -1.
    const UNKNOWN: Self::Record;
    /// The word that tells when the row was read.
    const TIME_NS: usize;
    /// The word that tells which device stands in the row.
    const GENERATION: usize;
    /// The word that tells whether the counters can be used.
    const STATE: usize;

    /// The record with what its row says of itself.
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

/// kB as sysstat has it: 1024 bytes.
const KB: f64 = 1.0 / 1024.0;
/// From ns of work a second to the number of things at work: 1e9 ns a second is one.
const AT_WORK: f64 = 1e-9;
/// From busy ns a second to per cent of the time.
const PERCENT: f64 = 1e-7;

/// Hands the block table to a macro of the caller's.
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
                "Xen's oo_req: times that blkback found no free request slot (not I/O errors; kept in this place for libvirt's sake)";
            fl_req 2 Counter Requests column("f/s", 1.0),
                "flush requests completed (block devices: since Linux 5.5)";
            ds_req 2 Counter Requests column("d/s", 1.0),
                "discard requests completed (block devices: since Linux 4.18)";
            ds_bytes 2 Counter Bytes column("dkB/s", KB),
                "bytes discarded (block devices: since Linux 4.18)";
            rd_time 2 Counter Nanoseconds None,
                "time that read requests took, summed over requests (the kernel counts whole milliseconds in 32 bits)";
            wr_time 2 Counter Nanoseconds None,
                "time that write requests took, summed over requests";
            fl_time 2 Counter Nanoseconds None,
                "time that flush requests took, summed over requests (since Linux 5.5)";
            ds_time 2 Counter Nanoseconds None,
                "time that discard requests took, summed over requests (since Linux 4.18)";
            rd_merged 2 Counter Requests None,
                "read requests merged into one that was queued already";
            wr_merged 2 Counter Requests None,
                "write requests merged into one that was queued already";
            in_flight 2 Gauge Requests None,
                "requests handed to the device and not yet completed";
            busy_time 2 Counter Nanoseconds column("%util", PERCENT),
                "time during which at least one request was in flight";
            queue_time 2 Counter Nanoseconds column("aqu-sz", AT_WORK),
                "time that all requests spent in flight, summed over requests";
            time_ns 2 Row Nanoseconds None,
                "when this row was read, or answered by the VMM, on the monotonic clock; -1: never";
            generation 2 Row Number None,
                "goes up when another device stands in this row's place; -1: no device seen yet";
            state 2 Row Number None,
                "0 is ok, 5 means that the counters are old; any other number says why they are -1 (see States)";
            ds_merged 3 Counter Requests None,
                "discard requests merged into one that was queued already (block devices: since Linux 4.18)";
            rd_failed 3 Counter Requests None,
                "read requests that failed (QEMU)";
            wr_failed 3 Counter Requests None,
                "write requests that failed (QEMU)";
            fl_failed 3 Counter Requests None,
                "flush requests that failed (QEMU)";
            ds_failed 3 Counter Requests None,
                "discard requests that failed (QEMU)";
            rd_invalid 3 Counter Requests None,
                "read requests that were refused as invalid (QEMU)";
            wr_invalid 3 Counter Requests None,
                "write requests that were refused as invalid (QEMU)";
            fl_invalid 3 Counter Requests None,
                "flush requests that were refused as invalid (QEMU)";
            ds_invalid 3 Counter Requests None,
                "discard requests that were refused as invalid (QEMU)";
            wr_highest 3 Gauge Bytes None,
                "end of the furthest write to the disk since the VMM opened it (QEMU)";
            allocation 3 Gauge Bytes None,
                "end of the furthest write to the image's file, as libvirt's allocation: 0 until one was seen (QEMU)";
            capacity 3 Gauge Bytes None,
                "size of the disk as the guest sees it";
            physical 3 Gauge Bytes None,
                "what the disk takes up on the host: the allocated part of an image's file (its length while that is 0), a block device's size";
        }
    };
}

/// Hands the interface table to a macro of the caller's.
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
                "packets dropped on the way in (the host's rx side: rx_dropped + rx_missed_errors, as /proc/net/dev sums them)";
            tx_bytes 1 Counter Bytes column("txkB/s", KB),
                "bytes sent";
            tx_packets 1 Counter Packets column("txpck/s", 1.0),
                "packets sent";
            tx_errs 1 Counter Packets column("txerr/s", 1.0),
                "packets that could not be sent for an error";
            tx_drop 1 Counter Packets column("txdrop/s", 1.0),
                "packets dropped on the way out";
            rx_fifo 2 Counter Packets None,
                "packets lost to a full receive queue";
            rx_frame 2 Counter Packets None,
                "framing errors received (length + overrun + CRC + alignment); -1 in the guest's view: a tap's transmit side has none";
            rx_compressed 2 Counter Packets None,
                "compressed packets received (SLIP, PPP)";
            rx_multicast 2 Counter Packets None,
                "multicast packets received; -1 in the guest's view: the kernel counts them on the host's receive side only";
            tx_fifo 2 Counter Packets None,
                "packets lost to a full send queue";
            tx_colls 2 Counter Packets None,
                "collisions; -1 in the guest's view: a tap's receive side has none";
            tx_carrier 2 Counter Packets None,
                "carrier losses (carrier + aborted + window + heartbeat errors); -1 in the guest's view, likewise";
            tx_compressed 2 Counter Packets None,
                "compressed packets sent (SLIP, PPP)";
            time_ns 2 Row Nanoseconds None,
                "when this row was read, on the monotonic clock; -1: never";
            generation 2 Row Number None,
                "goes up when another device stands in this row's place; -1: no device seen yet";
            state 2 Row Number None,
                "0 is ok, 5 means that the counters are old; any other number says why they are -1 (see States)";
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
            #[allow(clippy::wildcard_imports)] // the table's rows name what they need
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

        /// Words in the newest struct.
        pub const WORDS: usize = [$($name),+].len();
        /// The newest struct, in words: what a source fills and a poll hands out.
        pub type Record = [i64; WORDS];
        /// Bytes of the newest struct: the largest size a caller may ask for.
        pub const SIZE: usize = super::WORD * WORDS;
        /// A record that knows nothing: -1 is "this source does not have it", never 0.
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
    fn version_1_is_the_first_part_and_versions_only_rise() {
        for (fields, v1_size) in [(block::FIELDS, block::V1_SIZE), (interface::FIELDS, interface::V1_SIZE)] {
            assert!(fields.is_sorted_by_key(|field| (field.version, field.offset)));
            let v1 = fields.iter().filter(|field| field.version == 1).count();
            assert_eq!(v1 * WORD, v1_size);
        }
    }

    #[test]
    fn offsets_are_the_words_of_a_struct_without_holes() {
        for fields in [block::FIELDS, interface::FIELDS] {
            for (index, field) in fields.iter().enumerate() {
                assert_eq!(field.offset, index * WORD, "{}", field.name);
            }
        }
    }
}
