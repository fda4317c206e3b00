"""The fields of the rows, for type checkers: made by `make docs` from the field table."""

from typing import type_check_only

@type_check_only
class BlockStatsFields:
    @property
    def rd_req(self) -> int:
        """Read requests completed; in requests."""
    @property
    def rd_bytes(self) -> int:
        """Bytes read; in bytes."""
    @property
    def wr_req(self) -> int:
        """Write requests completed; in requests."""
    @property
    def wr_bytes(self) -> int:
        """Bytes written; in bytes."""
    @property
    def errs(self) -> int:
        """Xen's oo_req: times that blkback found no free request slot (not I/O errors; here for compatibility with
        libvirt); in events."""
    @property
    def fl_req(self) -> int:
        """Flush requests completed (block devices: since Linux 5.5); in requests."""
    @property
    def ds_req(self) -> int:
        """Discard requests completed (block devices: since Linux 4.18); in requests."""
    @property
    def ds_bytes(self) -> int:
        """Bytes discarded (block devices: since Linux 4.18); in bytes."""
    @property
    def rd_time(self) -> int:
        """Total time of all read requests (block devices count milliseconds in 32 bits); in ns."""
    @property
    def wr_time(self) -> int:
        """Total time of all write requests; in ns."""
    @property
    def fl_time(self) -> int:
        """Total time of all flush requests (block devices: since Linux 5.5); in ns."""
    @property
    def ds_time(self) -> int:
        """Total time of all discard requests (block devices: since Linux 4.18); in ns."""
    @property
    def rd_merged(self) -> int:
        """Read requests merged into a queued one; in requests."""
    @property
    def wr_merged(self) -> int:
        """Write requests merged into a queued one; in requests."""
    @property
    def in_flight(self) -> int:
        """Requests issued to the device and not yet completed; in requests, a gauge."""
    @property
    def busy_time(self) -> int:
        """Time with at least one request in flight (the kernel counts timer ticks); in ns."""
    @property
    def queue_time(self) -> int:
        """Total time that requests spent in flight; in ns."""
    @property
    def time_ns(self) -> int:
        """When this row was read, or reported by the VMM, on the monotonic clock; -1: no report yet; in ns."""
    @property
    def generation(self) -> int:
        """Goes up when another device takes this row's place; -1: no device seen yet."""
    @property
    def state(self) -> str:
        """A word of STATES; in the tuple, the bytes and the arrays it is that word's number."""
    @property
    def ds_merged(self) -> int:
        """Discard requests merged into a queued one (block devices: since Linux 4.18); in requests."""
    @property
    def rd_failed(self) -> int:
        """Read requests that failed (QEMU); in requests."""
    @property
    def wr_failed(self) -> int:
        """Write requests that failed (QEMU); in requests."""
    @property
    def fl_failed(self) -> int:
        """Flush requests that failed (QEMU); in requests."""
    @property
    def ds_failed(self) -> int:
        """Discard requests that failed (QEMU); in requests."""
    @property
    def rd_invalid(self) -> int:
        """Invalid read requests (QEMU); in requests."""
    @property
    def wr_invalid(self) -> int:
        """Invalid write requests (QEMU); in requests."""
    @property
    def fl_invalid(self) -> int:
        """Invalid flush requests (QEMU); in requests."""
    @property
    def ds_invalid(self) -> int:
        """Invalid discard requests (QEMU); in requests."""
    @property
    def wr_highest(self) -> int:
        """End of the highest write to the disk since the VMM opened it (QEMU); in bytes, a gauge."""
    @property
    def allocation(self) -> int:
        """End of the highest write to the image file, as libvirt's allocation; 0 before the first (QEMU); in bytes, a
        gauge."""
    @property
    def capacity(self) -> int:
        """Size of the disk as the guest sees it; in bytes, a gauge."""
    @property
    def physical(self) -> int:
        """Space used on the host: an image file's allocated part (its length if that is 0), or a block device's size;
        in bytes, a gauge."""
    @property
    def row_id(self) -> int:
        """Number of this row in its poller: it stays when a later plan moves the row, and no other row ever has it."""

@type_check_only
class BlockRatesFields:
    @property
    def rd_req(self) -> float | None: ...
    @property
    def rd_bytes(self) -> float | None: ...
    @property
    def wr_req(self) -> float | None: ...
    @property
    def wr_bytes(self) -> float | None: ...
    @property
    def errs(self) -> float | None: ...
    @property
    def fl_req(self) -> float | None: ...
    @property
    def ds_req(self) -> float | None: ...
    @property
    def ds_bytes(self) -> float | None: ...
    @property
    def rd_time(self) -> float | None: ...
    @property
    def wr_time(self) -> float | None: ...
    @property
    def fl_time(self) -> float | None: ...
    @property
    def ds_time(self) -> float | None: ...
    @property
    def rd_merged(self) -> float | None: ...
    @property
    def wr_merged(self) -> float | None: ...
    @property
    def in_flight(self) -> float | None: ...
    @property
    def busy_time(self) -> float | None: ...
    @property
    def queue_time(self) -> float | None: ...
    @property
    def ds_merged(self) -> float | None: ...
    @property
    def rd_failed(self) -> float | None: ...
    @property
    def wr_failed(self) -> float | None: ...
    @property
    def fl_failed(self) -> float | None: ...
    @property
    def ds_failed(self) -> float | None: ...
    @property
    def rd_invalid(self) -> float | None: ...
    @property
    def wr_invalid(self) -> float | None: ...
    @property
    def fl_invalid(self) -> float | None: ...
    @property
    def ds_invalid(self) -> float | None: ...
    @property
    def wr_highest(self) -> float | None: ...
    @property
    def allocation(self) -> float | None: ...
    @property
    def capacity(self) -> float | None: ...
    @property
    def physical(self) -> float | None: ...

@type_check_only
class InterfaceStatsFields:
    @property
    def rx_bytes(self) -> int:
        """Bytes received; in bytes."""
    @property
    def rx_packets(self) -> int:
        """Packets received; in packets."""
    @property
    def rx_errs(self) -> int:
        """Packets received with errors; in packets."""
    @property
    def rx_drop(self) -> int:
        """Packets dropped on receive (on the host's rx side rx_dropped + rx_missed_errors, as in /proc/net/dev); in
        packets."""
    @property
    def tx_bytes(self) -> int:
        """Bytes sent; in bytes."""
    @property
    def tx_packets(self) -> int:
        """Packets sent; in packets."""
    @property
    def tx_errs(self) -> int:
        """Packets not sent because of an error; in packets."""
    @property
    def tx_drop(self) -> int:
        """Packets dropped on transmit; in packets."""
    @property
    def rx_fifo(self) -> int:
        """Packets lost because the receive queue was full; in packets."""
    @property
    def rx_frame(self) -> int:
        """Framing errors received (length + overrun + CRC + alignment); -1 in the guest's view: transmit has none; in
        packets."""
    @property
    def rx_compressed(self) -> int:
        """Compressed packets received (SLIP, PPP); in packets."""
    @property
    def rx_multicast(self) -> int:
        """Multicast packets received; -1 in the guest's view: the kernel does not count them on transmit; in
        packets."""
    @property
    def tx_fifo(self) -> int:
        """Packets lost because the send queue was full; in packets."""
    @property
    def tx_colls(self) -> int:
        """Collisions; -1 in the guest's view: the host has none for packets that it receives; in packets."""
    @property
    def tx_carrier(self) -> int:
        """Carrier losses (carrier + aborted + window + heartbeat errors); -1 in the guest's view, as tx_colls; in
        packets."""
    @property
    def tx_compressed(self) -> int:
        """Compressed packets sent (SLIP, PPP); in packets."""
    @property
    def time_ns(self) -> int:
        """When this row was read, on the monotonic clock; -1: never; in ns."""
    @property
    def generation(self) -> int:
        """Goes up when another device takes this row's place; -1: no device seen yet."""
    @property
    def state(self) -> str:
        """A word of STATES; in the tuple, the bytes and the arrays it is that word's number."""
    @property
    def row_id(self) -> int:
        """Number of this row in its poller: it stays when a later plan moves the row, and no other row ever has it."""

@type_check_only
class InterfaceRatesFields:
    @property
    def rx_bytes(self) -> float | None: ...
    @property
    def rx_packets(self) -> float | None: ...
    @property
    def rx_errs(self) -> float | None: ...
    @property
    def rx_drop(self) -> float | None: ...
    @property
    def tx_bytes(self) -> float | None: ...
    @property
    def tx_packets(self) -> float | None: ...
    @property
    def tx_errs(self) -> float | None: ...
    @property
    def tx_drop(self) -> float | None: ...
    @property
    def rx_fifo(self) -> float | None: ...
    @property
    def rx_frame(self) -> float | None: ...
    @property
    def rx_compressed(self) -> float | None: ...
    @property
    def rx_multicast(self) -> float | None: ...
    @property
    def tx_fifo(self) -> float | None: ...
    @property
    def tx_colls(self) -> float | None: ...
    @property
    def tx_carrier(self) -> float | None: ...
    @property
    def tx_compressed(self) -> float | None: ...
