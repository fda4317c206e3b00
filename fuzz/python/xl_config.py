"""A configuration of xl's, or what `xl list -l` prints: domains with names, or a sentence that says why not."""

import sys

import atheris

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat.discovery.xl import config as xl_config
    from vmiostat.discovery.xml.definition import Definition
    from vmiostat.errors import TopologyError

FILE = "web1.cfg"


def check(data: bytes) -> None:
    xl_config.is_xl(data, FILE)
    try:
        definitions = xl_config.parse(data, FILE)
    except TopologyError as error:
        refused = error
    else:
        check_definitions(definitions)
        return
    assert refused.path == FILE
    assert str(refused).startswith(FILE)


def check_definitions(definitions: list[Definition]) -> None:
    for definition in definitions:
        domain = definition.domain
        assert domain.name
        assert domain.type == "xen"
        assert all(disk.target for disk in domain.disks)
        assert all(nic.target or nic.mac or nic.counter_source is None for nic in domain.interfaces)


atheris.Setup(sys.argv, check)
atheris.Fuzz()
