"""What xenstored sends: however it is cut, the same messages are made of it."""

import sys

import atheris

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat.discovery.xen.xenstore_message import Message, Messages, words


def cut(*pieces: bytes) -> tuple[list[Message], bool]:
    """The messages, and whether one was refused."""
    messages = Messages()
    found: list[Message] = []
    try:
        for piece in pieces:
            found += messages.split(piece)
    except ValueError:
        return found, True
    return found, False


def check(data: bytes) -> None:
    at, data = int.from_bytes(data[:2]) % max(1, len(data)), data[2:]
    found, refused = cut(data)
    in_pieces, also_refused = cut(data[:at], data[at:])
    assert refused == also_refused
    assert in_pieces == found or (refused and in_pieces == found[: len(in_pieces)])
    again = b"".join(message.packed() for message in found)
    assert len(again) <= len(data)
    for message in found:
        listed = words(message.payload)
        assert message.payload.startswith(b"".join(word + b"\0" for word in listed))


atheris.Setup(sys.argv, check)
atheris.Fuzz()
