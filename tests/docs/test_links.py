"""Every relative link of a page leads to a file, and its anchor to a heading; every page is listed in the index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
INDEX = ROOT / "docs/index.md"

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
NOT_IN_AN_ANCHOR = re.compile(r"[^\w\- ]")


def text(page: Path) -> str:
    return CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(text(page)) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = HEADING.findall(text(page))
    return {NOT_IN_AN_ANCHOR.sub("", heading.lower()).strip().replace(" ", "-") for heading in headings}


def is_broken(link: str, page: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if is_broken(link, page)] == []


def test_a_link_to_nowhere_is_found() -> None:
    assert is_broken("docs/no-such-page.md", ROOT / "README.md")
    assert is_broken("docs/abi.md#no-such-heading", ROOT / "README.md")
    assert not is_broken("docs/abi.md#states", ROOT / "README.md")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_the_index_and_a_page_know_each_other(page: Path) -> None:
    if page != INDEX:
        assert str(page.relative_to(INDEX.parent)) in links(INDEX)
        assert any((page.parent / link).resolve() == INDEX for link in links(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_table_is_too_wide_to_read(page: Path) -> None:
    assert [line for line in text(page).splitlines() if line.startswith("|") and len(line) > 160] == []
