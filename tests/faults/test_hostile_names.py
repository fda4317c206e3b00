"""Names that guests and their owners choose, in every place of a definition: they steer no terminal, break no line."""

import csv
import io
import json
import subprocess
import unicodedata
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from testkit.command import COMMAND
from vmiostat.discovery.limits import cut_name

NAMES = [
    'evil"],{}',
    "new\nline",
    "carriage\rreturn\ttab",
    "c1 \u009b2J\u0085",
    "turned \u202e around \u2066",
    "\u2028line\u2029paragraph",
    "no\u200bwidth\ufeff",
    "mark\u0301\u0301",
    "=cmd|'/c calc'!A1",
    "' OR 1=1 --",
    "x" * 300,
    "数据库 база μ²",
    "\U000e0041\U0001f9ff",
    "back\\slash \\x1b",
]


def definition(name: str) -> str:
    """A domain that has the name in each place that has one. XML has no way to write most control characters."""
    text = escape(name, {'"': "&quot;", "'": "&apos;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
    return f"""<domain type='{text}' id='1'><name>{text}</name><uuid>{text}</uuid><title>{text}</title><devices>
<disk type='block' device='disk'><source dev='/dev/{text}'/><target dev='{text}' bus='{text}'/><serial>{text}</serial>
<alias name='{text}'/><driver name='{text}' type='{text}'/></disk>
<disk type='file' device='{text}'><source file='/{text}'/><target dev='vdb'/></disk>
<disk type='network'><source protocol='{text}' name='{text}'/><target dev='vdc'/></disk>
<interface type='bridge'><source bridge='{text}'/><target dev='{text}'/><model type='{text}'/><alias name='{text}'/>
</interface><interface type='{text}'><source network='{text}' portgroup='{text}'/><target dev='tap1'/></interface>
</devices></domain>"""


def check_plain(text: str) -> None:
    """Only what is shown, and lines that end where ours end."""
    for letter in text.replace("\n", ""):
        assert unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), hex(ord(letter))


CALLS = [["devices"], ["devices", "--json"], [], ["--json"], ["--csv"], ["0.01", "2"], ["--json", "0.01", "2"]]


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_every_output_stays_in_order(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text("a\nb\n")
    definitions = tmp_path / "xml"
    definitions.mkdir()
    for number, name in enumerate(NAMES):
        (definitions / f"{number}.xml").write_text(definition(name))
    command: list[str | Path] = [*COMMAND, *arguments, "--root", tmp_path, "--xml", definitions]
    done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    text, complaints = done.stdout.decode(), done.stderr.decode()
    check_plain(text)
    # A line of each domain: of its uuid, which is none. The longest name is cut, which is another line.
    check_plain(complaints)
    assert complaints.count("\n") == len(NAMES) + 1
    if "--json" in arguments:
        found = [json.loads(line) for line in text.splitlines()]
        rows = found if "devices" in arguments else found[-1]["block"]
        assert {row["domain"] for row in rows} == {cut_name(name).replace("\\", r"\\") for name in NAMES}
    if "--csv" in arguments:
        header, *records = csv.reader(io.StringIO(text))
        assert len(records) == 5 * len(NAMES)
        assert {len(record) for record in records} == {len(header)}
