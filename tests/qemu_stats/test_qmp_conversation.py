"""QMP conversations, with the bytes cut anywhere, and with anything in them."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.fakes.qemu import EVENT, GREETING, line
from vmiostat.qemu_stats.client import BudgetError, QueryError
from vmiostat.qemu_stats.qmp_conversation import MAX_EVENTS, MAX_LENGTH, MAX_LINE_LENGTH, Conversation

ANSWERS = [line({"return": {}, "id": 0}), line({"return": [{"device": "x"}], "id": 1})]


def greeted() -> Conversation:
    conversation = Conversation({"query-blockstats": {}})
    conversation.receive(line(GREETING))
    return conversation


def test_nothing_is_sent_before_the_greeting() -> None:
    conversation = Conversation({"query-blockstats": {}})
    assert conversation.outgoing == b""
    conversation.receive(line(EVENT))
    assert conversation.outgoing == b""
    conversation.receive(line(GREETING))
    sent = [json.loads(text) for text in conversation.outgoing.splitlines()]
    assert [command["execute"] for command in sent] == ["qmp_capabilities", "query-blockstats"]


@given(cuts=st.lists(st.integers(0, 400)))
def test_bytes_cut_anywhere(cuts: list[int]) -> None:
    text = line(GREETING) + line(EVENT) + ANSWERS[0] + line(EVENT) + ANSWERS[1]
    conversation = Conversation({"query-blockstats": {}})
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(places):
        conversation.receive(text[start:end])
    assert conversation.done
    assert conversation.returned == {"qmp_capabilities": {}, "query-blockstats": [{"device": "x"}]}


@pytest.mark.parametrize("number", [None, 1, True, False, "0", 0.5, [], -1])
def test_an_answer_to_another_command_is_ignored(number: object) -> None:
    conversation = greeted()
    conversation.receive(line({"return": {}, "id": number}))
    conversation.receive(line({"return": {}}))
    assert not conversation.returned


def test_a_refusal_is_an_answer() -> None:
    conversation = greeted()
    conversation.receive(
        ANSWERS[0] + line({"error": {"class": "GenericError", "desc": "no\nsuch \x1b[2Jthing"}, "id": 1})
    )
    assert conversation.done
    assert conversation.refused == {"query-blockstats": r"'no\nsuch \x1b[2Jthing'"}
    invalid: list[object] = [7, [], {"desc": 3}, None]
    for error in invalid:
        conversation = greeted()
        conversation.receive(ANSWERS[0] + line({"error": error, "id": 1}))
        assert conversation.done
        assert conversation.refused


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "invalid JSON: 'SSH-2.0-OpenSSH'"),
        (b"\xff\xfe\n", "invalid JSON"),
        (b"[" * 100_000 + b"\n", "invalid JSON"),
        (b"9" * 10_000 + b"\n", "invalid JSON"),
        (b"[]\n", "other than QMP"),
        (b'{"return": {}, "id": 0}\n', "did not send a QMP greeting"),
        (b" " * (MAX_LENGTH + 1), "more than 4 MiB"),
        (b"\n" * (MAX_LENGTH + 1), "more than 4 MiB"),
    ],
)
def test_bytes_that_are_not_qmp(text: bytes, why: str) -> None:
    with pytest.raises(QueryError, match=why) as raised:
        Conversation({"query-blockstats": {}}).receive(text)
    assert len(str(raised.value)) < 1000
    assert str(raised.value).isprintable()


def test_an_endless_line() -> None:
    conversation = Conversation({"query-blockstats": {}})
    for _ in range((MAX_LINE_LENGTH >> 16) + 1):
        conversation.receive(b" " * (1 << 16))
    with pytest.raises(QueryError, match="a line of more than 1 MiB"):
        conversation.receive(b" ")


@pytest.mark.parametrize("other", [EVENT, {"return": {}, "id": 77}, {}])
def test_events_without_end(other: dict[str, object]) -> None:
    conversation = greeted()
    conversation.receive(line(other) * MAX_EVENTS)
    with pytest.raises(BudgetError, match="more than 100 events"):
        conversation.receive(line(other))
    conversation = greeted()
    conversation.receive(line(other) * MAX_EVENTS + ANSWERS[0] + ANSWERS[1])
    assert conversation.done


def test_little_is_kept_of_a_late_answer() -> None:
    conversation = greeted()
    conversation.receive(b" " * (1 << 16))
    conversation.overdue()
    conversation.receive(b" ")
    with pytest.raises(BudgetError, match="a line of more than 64 KiB"):
        conversation.receive(b" ")
    conversation = greeted()
    conversation.receive(b" " * (1 << 17))
    with pytest.raises(BudgetError):
        conversation.overdue()


def test_only_what_is_needed_of_an_answer_is_kept() -> None:
    conversation = Conversation({"query-blockstats": {}}, {"query-blockstats": len})
    conversation.receive(line(GREETING) + line({"return": ["x" * 1000], "id": 0}) + ANSWERS[1])
    assert conversation.returned == {"qmp_capabilities": {}, "query-blockstats": 1}


def message(conversation: Conversation, text: bytes) -> str:
    """The message about these bytes; empty if they are accepted."""
    try:
        conversation.receive(text)
    except QueryError as error:
        return str(error)
    return "".join(conversation.refused.values())


@given(text=st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    for conversation in (Conversation({"query-blockstats": {}}), greeted()):
        assert message(conversation, text + b"\n").isprintable()


TEXT = st.text(st.characters(codec=None))  # with lone surrogates, which JSON allows
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["return", "error", "event", "QMP", "desc"]), inner)
    ),
)


@given(value=JSON, number=st.none() | st.just(0))
def test_any_json(value: object, number: object) -> None:
    if isinstance(value, dict) and number is not None:
        value |= {"id": number}
    for conversation in (Conversation({"query-blockstats": {}}), greeted()):
        assert message(conversation, line(value)).isprintable()
