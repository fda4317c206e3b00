"""`python -m benches.report`: makes docs/development/performance.* and the README's performance section.

All come from one run's JSON, benches/results/full.json unless another is named.
"""

import argparse
import json
from pathlib import Path

from benches.cargo import ROOT
from benches.run import RESULTS
from benches.tables.markdown import BEGIN, END, details, readme_section


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benches.report", description=__doc__)
    options.add_argument("json", type=Path, nargs="?", default=RESULTS / "full.json")
    from benches.tables.plot import plot  # matplotlib is only installed for this program

    results = json.loads(options.parse_args().json.read_text())
    plot(results, ROOT / "docs/development/performance.svg")
    (ROOT / "docs/development/performance.md").write_text(details(results))
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f"{readme} has no lines {BEGIN} and {END}")
    readme.write_text(before + readme_section(results) + after)


if __name__ == "__main__":
    main()
