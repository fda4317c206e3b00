"""The domains that given files define, in libvirt's domain XML or in the formats of Xen's xl."""

from collections.abc import Iterable

from vmiostat.discovery.provider import Found
from vmiostat.discovery.xl import config as xl_config
from vmiostat.discovery.xml import domain as domain_xml
from vmiostat.discovery.xml.definition import merge_definitions
from vmiostat.discovery.xml.definition_file import StrPath as StrPath
from vmiostat.discovery.xml.definition_file import definition_files, read_file
from vmiostat.errors import TopologyError


def defined_domains(paths: StrPath | Iterable[StrPath]) -> Found:
    """The domains of these files, and of the *.xml files in these folders.

    A file that cannot be used is a problem: a TopologyError with its path and, where known, the line.
    """
    files, problems = definition_files(paths)
    definitions = []
    for file in files:
        try:
            data = read_file(file)
            definitions += (
                xl_config.parse(data, file) if xl_config.is_xl(data, file) else [domain_xml.parse(data, file)]
            )
        except TopologyError as error:
            problems.append(error)
    return merge_definitions(definitions, problems)
