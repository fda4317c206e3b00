"""libvirt's XML: a domain with devices that have names and can be told apart, or a sentence that says why not."""

import sys

import atheris

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat.discovery.xml.definition import Definition
    from vmiostat.discovery.xml.domain import parse
    from vmiostat.errors import TopologyError

FILE = "web1.xml"


def check(data: bytes) -> None:
    try:
        definition = parse(data, FILE)
    except TopologyError as error:
        refused = error
    else:
        check_definition(definition)
        return
    assert refused.path == FILE
    assert str(refused).startswith(FILE)


def check_definition(definition: Definition) -> None:
    domain = definition.domain
    assert domain.name.strip() != ""
    assert domain.id is None or 0 <= domain.id < 10**9
    for names in ([disk.target for disk in domain.disks], [nic.target for nic in domain.interfaces]):
        assert len(set(names)) == len(names)
        assert all(names)
    for problem in definition.problems:
        assert problem.path == FILE


atheris.Setup(sys.argv, check)
atheris.Fuzz()
