"""Parses untrusted XML: nothing outside the document is opened, and no entity is expanded."""

import re
from typing import cast

from lxml import etree

from vmiostat.errors import TopologyError

_POSITION = re.compile(r",? line \d+, column \d+.*", re.DOTALL)

_DOCTYPE = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


def parse_xml(data: bytes, path: str) -> etree._Element:
    """The document's root element; `path` is for messages. Raises TopologyError."""
    if not data.strip():
        raise TopologyError("the file is empty instead of a domain's definition", path)
    # libvirt writes no DTD, whose only uses are the dangerous ones: entities, and files to load.
    if found := _DOCTYPE.match(data):
        raise _refused_dtd(path, data.count(b"\n", 0, found.end()) + 1)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        reason = " ".join(_POSITION.sub("", error.msg or "").split())
        raise TopologyError(f"this is not well-formed XML: {quotable(reason)}", path, error.lineno or None) from None
    if root.getroottree().docinfo.internalDTD is not None:  # in an encoding that hid it from the pattern above
        raise _refused_dtd(path)
    return root


def _refused_dtd(path: str, line: int | None = None) -> TopologyError:
    return TopologyError("the document has a DTD (<!DOCTYPE ...>), which is not allowed: remove it", path, line)


def line_of(element: etree._Element) -> int | None:
    """The line on which the element starts."""
    return cast("int | None", element.sourceline)  # lxml-stubs types it as an Ellipsis


def quotable(text: str, limit: int = 100) -> str:
    """Text from a document made fit for a message: short, on one line, without control characters."""
    short = text if len(text) <= limit else text[:limit] + "..."
    return "".join(letter if letter.isprintable() else "?" for letter in short)
