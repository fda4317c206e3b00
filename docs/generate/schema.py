"""The JSON Schema of a report, for those who read `vmiostat --json`."""

import json
from pathlib import Path

from vmiostat.cli.records.schema import schema

PATH = Path(__file__).parents[2] / "share.data/data/share/vmiostat/report.schema.json"


def text() -> str:
    """The file."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
