"""Definitions that cannot be used: each is a problem with its file and line, and affects no other domain."""

import errno
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testkit.fixture_trees import DOMAIN_XML, DOMAIN_XML_BAD
from testkit.targets import targets
from vmiostat.discovery.defined_domains import defined_domains
from vmiostat.discovery.xml import definition_file
from vmiostat.discovery.xml.domain import parse
from vmiostat.errors import SourceError, TopologyError

GOOD = "<domain type='kvm'><name>good</name></domain>"

PROBLEMS = {
    "attribute-bomb.xml": (2, "DTD"),
    "entity-bomb.xml": (2, "DTD"),
    "external-entity.xml": (2, "DTD"),
    "external-parameter-entity.xml": (2, "DTD"),
    "external-dtd.xml": (2, "DTD"),
    "dtd.xml": (2, "DTD"),
    "empty.xml": (None, "empty"),
    "blank.xml": (None, "empty"),
    "truncated.xml": (6, "not well-formed XML: Premature end"),
    "not-xml.xml": (1, "not well-formed XML"),
    "not-utf-8.xml": (2, "not well-formed XML"),
    "unknown-encoding.xml": (1, "not well-formed XML: Unsupported encoding"),
    "wrong-root.xml": (2, "the root element <network> defines no domain"),
    "wrong-namespace.xml": (1, "the root element <{urn:example:another-kind-of-domain}domain>"),
    "status-without-domain.xml": (1, "contains no <domain>"),
    "no-name.xml": (1, "no name"),
    "duplicate-name-2.xml": (1, "duplicate-name-1.xml:1, has the same name"),
    "duplicate-uuid-2.xml": (1, "duplicate-uuid-1.xml:1, has the same UUID"),
}
LEFT_OUT = {
    ("bad-id.xml", 1, "id 'seven' is not a number"),
    ("bad-id.xml", 1, "uuid 'not-a-uuid' is not a UUID"),
    ("duplicate-target.xml", 8, "disk 'vda' is defined twice"),
    ("duplicate-target.xml", 15, "interface 'tap6' is defined twice"),
    ("missing-target.xml", 4, "(source '/dev/vg0/nameless') has no <target>"),
    ("missing-target.xml", 11, "a disk has no <target>"),
}


def test_bad_files_affect_only_themselves() -> None:
    found = defined_domains(DOMAIN_XML_BAD)
    assert {(domain.name, *targets(domain.disks), *targets(domain.interfaces)) for domain in found.domains} == {
        ("fine", "vda"),
        ("twin",),
        ("copied-1",),
        ("missing-target", "vdb"),
        ("duplicate-target", "vda", "tap6"),
        ("bad-id",),
    }
    expected = {(name, *what) for name, what in PROBLEMS.items()} | LEFT_OUT
    met = [problem for problem in found.problems if isinstance(problem, TopologyError)]
    assert len(met) == len(found.problems) == len(expected)
    for name, line, words in expected:
        where = f"{DOMAIN_XML_BAD / name}" + ("" if line is None else f":{line}")
        found_there = [problem for problem in met if str(problem).startswith(f"{where}: ") and words in str(problem)]
        assert len(found_there) == 1, (where, words)
        assert (found_there[0].path, found_there[0].line) == (str(DOMAIN_XML_BAD / name), line)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("prolog", ["", "\n", "<!-- a -->\n<?b?>\n<!-- <c> -->"])
def test_a_dtd_is_refused_wherever_it_hides(encoding: str, prolog: str) -> None:
    text = f"{prolog}<!DOCTYPE domain [<!ENTITY e 'x'>]>\n<domain><name>&e;</name></domain>"
    with pytest.raises(TopologyError) as caught:
        parse(text.encode(encoding), "memory")
    if encoding.startswith("utf-8"):
        assert "DTD" in str(caught.value)
        assert caught.value.line == prolog.count("\n") + 1


def test_the_word_doctype_in_a_text_is_no_dtd() -> None:
    xml = b"<domain><name>a</name><description><![CDATA[<!DOCTYPE x>]]></description><!-- <!DOCTYPE y> --></domain>"
    assert parse(xml, "memory").domain.name == "a"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_nothing_else_is_opened(tmp_path: Path, encoding: str) -> None:
    """A pipe without a writer: opening it for reading would hang."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        http = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        for url in [pipe.as_uri(), str(pipe), http]:
            for text in [
                f"<!DOCTYPE domain [<!ENTITY e SYSTEM '{url}'>]><domain><name>&e;</name></domain>",
                f"<!DOCTYPE domain [<!ENTITY % e SYSTEM '{url}'> %e;]><domain><name>a</name></domain>",
                f"<!DOCTYPE domain SYSTEM '{url}'><domain><name>a</name></domain>",
                f"<domain xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='{url}'/></domain>",
                f"<?xml-stylesheet href='{url}'?><domain/>",
            ]:
                with pytest.raises(TopologyError):
                    parse(text.encode(encoding), "memory")
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.xml"
    with huge.open("wb") as file:
        file.write(b"<domain type='kvm'>")
        file.truncate(1 << 30)
    (tmp_path / "good.xml").write_text(GOOD)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = defined_domains(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 8 << 10  # KiB
    assert [domain.name for domain in found.domains] == ["good"]
    assert [str(problem) for problem in found.problems] == [
        f"{huge}: 1073741824 bytes are too long for a domain's definition (the limit is 4194304)"
    ]


def test_a_file_of_unknown_length_is_read_only_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Files of /proc have the size 0.
    assert definition_file.read_file("/proc/self/status").startswith(b"Name:")
    monkeypatch.setattr(definition_file, "LIMIT", 100)
    with pytest.raises(TopologyError, match="101 bytes are too long"):
        definition_file.read_file("/proc/self/status")


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 1000 + b"</a>" * 1000,
        b"<domain>" + b"<devices>" * 300,
        b"<domain " + b" ".join(b"a%d='1'" % number for number in range(100_000)) + b"/>",
        b"<domain><name>" + b"x" * definition_file.LIMIT + b"</name>",
        b"<!--" + b"-" * definition_file.LIMIT,
        b"<?" * (definition_file.LIMIT // 2),
        b"<!-- -->" * (definition_file.LIMIT // 8),
        b" " * definition_file.LIMIT,
    ],
    ids=["deep", "deep-and-open", "attributes", "long", "comment", "instructions", "comments", "blanks"],
)
def test_documents_made_to_be_slow_to_parse_are_not(data: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(TopologyError):
        parse(data, "memory")
    assert time.perf_counter() - started < 20


def test_pipes_devices_folders_and_missing_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "dangling.xml").symlink_to("nowhere")
    (tmp_path / "loop.xml").symlink_to("loop.xml")
    (tmp_path / "good.xml").write_text(GOOD)
    found = defined_domains([tmp_path, tmp_path / "missing.xml", "/dev/zero", tmp_path / "good.xml" / "below"])
    assert [domain.name for domain in found.domains] == ["good"]
    assert sorted(str(problem) for problem in found.problems) == sorted(
        [
            f"{tmp_path}/pipe.xml: this is not a regular file, so it could not be read again at the next scan",
            f"{tmp_path}/folder.xml: this is not a regular file, so it could not be read again at the next scan",
            "/dev/zero: this is not a regular file, so it could not be read again at the next scan",
            f"{tmp_path}/dangling.xml: cannot be read: No such file or directory",
            f"{tmp_path}/missing.xml: cannot be read: No such file or directory",
            f"{tmp_path}/loop.xml: cannot be read: Too many levels of symbolic links",
            f"{tmp_path}/good.xml/below: cannot be read: Not a directory",
        ]
    )


def test_paths_given_are_checked_before_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.xml").write_text(GOOD)
    os.mkfifo(tmp_path / "pipe")
    definition_file.check_paths(tmp_path)
    definition_file.check_paths(path for path in (str(tmp_path / "good.xml"), tmp_path / "pipe"))
    for path, number in ((tmp_path / "missing", errno.ENOENT), (tmp_path / "good.xml" / "below", errno.ENOTDIR)):
        with pytest.raises(SourceError) as caught:
            definition_file.check_paths([tmp_path, path])
        assert (caught.value.errno, caught.value.filename) == (number, str(path))


def test_a_folder_without_definitions(tmp_path: Path) -> None:
    assert [str(problem) for problem in defined_domains(tmp_path).problems] == [
        f"{tmp_path}: this folder has no *.xml file"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read a file")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "closed.xml").write_text(GOOD)
    (tmp_path / "closed.xml").chmod(0o600)
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "open.xml").write_text(GOOD)
    code = (
        "import os; from vmiostat.discovery.defined_domains import defined_domains\n"
        "os.setgroups([]); os.setuid(65534)\n"
        "found = defined_domains(['closed.xml', 'closed', 'open.xml'])\n"
        "print(*found.problems, *(domain.name for domain in found.domains), sep='\\n')"
    )
    # Relative paths: the folders above may be closed to others, as pytest's are.
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.splitlines() == [
        "closed: cannot be read: Permission denied",
        "closed.xml: cannot be read: Permission denied",
        "good",
    ], done.stderr


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        defined_domains([DOMAIN_XML_BAD, DOMAIN_XML, "/dev/zero", "/dev"])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@given(st.binary(max_size=300))
@example(b"\0")
@example(b"<domain\xff>")
def test_any_bytes_give_a_topology_error_or_a_domain(data: bytes) -> None:
    attempt(data)


FRAGMENTS = st.sampled_from(
    [
        "<domain>", "<domain type='xen' id='1'>", "</domain>", "<name>", "a", "</name>", "<uuid>", "</uuid>",
        "<devices>", "</devices>", "<disk>", "<disk type='nvme'>", "<disk type='network'>", "<source/>",
        "<source protocol='rbd'/>",
        "<source dev='/dev/x' file='y'/>", "<source><address/></source>",
        "<source><address domain=''/></source>",
        "<target/>", "<target dev='vda'/>", "<target dev=''/>", "</disk>", "<interface>", "<interface type='user'>",
        "<actual/>", "<actual type='direct'>", "</actual>", "<mac/>", "<mac address='&#10;'/>", "</interface>",
        "<backend/>", "<hostdev mode='capabilities' type='net'>", "<interface>eth0</interface>", "</source>",
        "<source>", "</hostdev>", "<filesystem>", "</filesystem>", "<domain type='lxc'>", "<domstatus>", "</domstatus>",
        "<domain id='99999999999999999999'>", "<!-- ", " -->", "<![CDATA[", "]]>", "&amp;", "&x;", "&#0;", "<?p", "?>",
        "<!DOCTYPE domain [", "<!ENTITY x 'y'>", "]>", "\n", "\u2028", "\U0001f4bd", "<x xmlns='y'>", "<y:z/>",
    ]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_any_pieces_of_xml_give_a_topology_error_or_a_domain(text: str) -> None:
    attempt(text.encode())


@given(st.sampled_from(sorted(DOMAIN_XML.glob("*.xml"))), st.data())
def test_a_damaged_definition_gives_a_topology_error_or_a_domain(path: Path, data: st.DataObject) -> None:
    original = path.read_bytes()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 200)))
    attempt(original[:start] + data.draw(st.binary(max_size=8)) + original[end:])


def attempt(data: bytes) -> None:
    try:
        definition = parse(data, "memory")
    except TopologyError as error:
        problems: tuple[TopologyError, ...] = (error,)
    else:
        problems = definition.problems
        domain = definition.domain
        assert domain.name
        assert len(set(targets(domain.disks))) == len(domain.disks)
        assert len(set(targets(domain.interfaces))) == len(domain.interfaces)
    assert all(str(problem).startswith("memory") and str(problem).isprintable() for problem in problems)
