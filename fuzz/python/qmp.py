"""Bytes from QEMU over QMP: the result does not depend on where they are cut, and has valid counters only."""

import sys

import atheris

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat.qemu_stats.client import QueryError
    from vmiostat.qemu_stats.qmp_block_stats import files_by_node, sizes_by_node, stats_by_name, stats_of_devices
    from vmiostat.qemu_stats.qmp_conversation import Conversation

COMMANDS: dict[str, dict[str, object]] = {"query-blockstats": {}, "query-named-block-nodes": {"flat": True}}


class EveryName:
    def __contains__(self, _: object) -> bool:
        return True


def received(*pieces: bytes) -> Conversation | str:
    """The conversation after these bytes, or the error that ended it."""
    conversation = Conversation(COMMANDS)
    try:
        for piece in pieces:
            conversation.receive(piece)
    except QueryError as error:
        return str(error)
    return conversation


def check(data: bytes) -> None:
    # The first two bytes say where to cut the others.
    at, data = int.from_bytes(data[:2]) % max(1, len(data)), data[2:]
    whole, cut = received(data), received(data[:at], data[at:])
    if isinstance(whole, str):
        assert cut == whole
        assert whole.isprintable()
        return
    assert not isinstance(cut, str)
    assert (cut.done, cut.refused) == (whole.done, whole.refused)
    assert repr(cut.returned) == repr(whole.returned)  # a NaN is not equal to itself
    assert all(reason.isprintable() for reason in whole.refused.values())
    sizes = sizes_by_node(whole.returned.get("query-named-block-nodes"))
    disks = stats_by_name(whole.returned.get("query-blockstats"), EveryName())
    assert all(path.startswith("/") for path in files_by_node(whole.returned.get("query-named-block-nodes")).values())
    for counters in [
        *(
            disk.with_sizes(sizes)
            for disk in (*disks.values(), *stats_of_devices(whole.returned.get("query-blockstats")))
        ),
        *sizes.values(),
    ]:
        assert all(type(number) is int and 0 <= number < 1 << 63 for number in counters.values())


atheris.Setup(sys.argv, check)
atheris.Fuzz()
