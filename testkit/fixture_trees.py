"""Paths of the captured and the made trees."""

from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"
XEN = FIXTURES / "xen-4.17-real"
XEN_2007 = FIXTURES / "xen-2007"
DOMAIN_XML = FIXTURES / "domain-xml"
DOMAIN_XML_BAD = FIXTURES / "domain-xml-bad"
