"""QMP as bytes: any cut of them, and anything in them."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.fakes.qemu import EVENT, GREETING, line
from vmiostat.qemu_stats.client import QueryError
from vmiostat.qemu_stats.qmp_conversation import LONGEST, LONGEST_LINE, Conversation

ANSWERS = [line({"return": {}, "id": 0}), line({"return": [{"device": "x"}], "id": 1})]


def greeted() -> Conversation:
    talk = Conversation({"query-blockstats": {}})
    talk.receive(line(GREETING))
    return talk


def test_nothing_is_said_before_the_greeting() -> None:
    talk = Conversation({"query-blockstats": {}})
    assert talk.outgoing == b""
    talk.receive(line(EVENT))
    assert talk.outgoing == b""
    talk.receive(line(GREETING))
    sent = [json.loads(text) for text in talk.outgoing.splitlines()]
    assert [command["execute"] for command in sent] == ["qmp_capabilities", "query-blockstats"]


@given(cuts=st.lists(st.integers(0, 400)))
def test_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    text = line(GREETING) + line(EVENT) + ANSWERS[0] + line(EVENT) + ANSWERS[1]
    talk = Conversation({"query-blockstats": {}})
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(places):
        talk.receive(text[start:end])
    assert talk.done
    assert talk.returned == {"qmp_capabilities": {}, "query-blockstats": [{"device": "x"}]}


@pytest.mark.parametrize("number", [None, 1, True, False, "0", 0.5, [], -1])
def test_an_answer_to_another_question_is_none(number: object) -> None:
    talk = greeted()
    talk.receive(line({"return": {}, "id": number}))
    talk.receive(line({"return": {}}))
    assert not talk.returned


def test_a_refusal_is_an_answer() -> None:
    talk = greeted()
    talk.receive(ANSWERS[0] + line({"error": {"class": "GenericError", "desc": "no\nsuch \x1b[2Jthing"}, "id": 1}))
    assert talk.done
    assert talk.refused == {"query-blockstats": r"'no\nsuch \x1b[2Jthing'"}
    no_errors: list[object] = [7, [], {"desc": 3}, None]
    for error in no_errors:
        talk = greeted()
        talk.receive(ANSWERS[0] + line({"error": error, "id": 1}))
        assert talk.done
        assert talk.refused


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "no JSON: 'SSH-2.0-OpenSSH'"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (b"9" * 10_000 + b"\n", "no JSON"),
        (b"[]\n", "no QMP"),
        (b'{"return": {}, "id": 0}\n', "did not greet"),
        (b" " * (LONGEST + 1), "more than 4 MiB"),
        (b"\n" * (LONGEST + 1), "more than 4 MiB"),
    ],
)
def test_what_is_no_qmp(text: bytes, why: str) -> None:
    with pytest.raises(QueryError, match=why) as raised:
        Conversation({"query-blockstats": {}}).receive(text)
    assert len(str(raised.value)) < 1000
    assert str(raised.value).isprintable()


def test_a_line_without_end() -> None:
    talk = Conversation({"query-blockstats": {}})
    for _ in range((LONGEST_LINE >> 16) + 1):
        talk.receive(b" " * (1 << 16))
    with pytest.raises(QueryError, match="a line of more than 1 MiB"):
        talk.receive(b" ")


def words_of(talk: Conversation, text: bytes) -> str:
    """What it says to these bytes, if it does not take them."""
    try:
        talk.receive(text)
    except QueryError as error:
        return str(error)
    return "".join(talk.refused.values())


@given(text=st.binary(max_size=200))
def test_no_bytes_do_harm(text: bytes) -> None:
    for talk in (Conversation({"query-blockstats": {}}), greeted()):
        assert words_of(talk, text + b"\n").isprintable()


TEXT = st.text(st.characters(codec=None))  # lone surrogates, too: JSON can have them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["return", "error", "event", "QMP", "desc"]), inner)
    ),
)


@given(message=JSON, number=st.none() | st.just(0))
def test_no_json_does_harm(message: object, number: object) -> None:
    if isinstance(message, dict) and number is not None:
        message |= {"id": number}
    for talk in (Conversation({"query-blockstats": {}}), greeted()):
        assert words_of(talk, line(message)).isprintable()
