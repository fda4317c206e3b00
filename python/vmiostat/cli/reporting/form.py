"""The form of a report that the options ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmiostat.cli.heading import heading, host_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vmiostat import Host, Poller
    from vmiostat.cli.rows import Form, Row, Section


def form(options: argparse.Namespace, host: Host, sections: Sequence[Section], poller: Poller) -> Form:
    """A table, JSON or CSV."""
    if options.json or options.csv or options.csv_text:
        from vmiostat.cli.records.record import Machine

        machine = Machine(host_name(host), host.view)
        fields = options.fields or ()
        if options.json:
            from vmiostat.cli.records.json_lines import JsonLines

            return JsonLines(machine, fields)
        from vmiostat.cli.records.csv_records import CsvRecords

        return CsvRecords(sections, machine, fields, as_text=options.csv_text, header=not options.no_header)
    from vmiostat.cli.choose.shown_names import ShownNames
    from vmiostat.cli.table.table import Style, Table
    from vmiostat.cli.table.terminal import room
    from vmiostat.cli.table.units import Units

    style = Style(
        options.extended,
        Units(options.megabytes, options.human, options.bits, options.dec),
        fractions=bool(options.interval and options.interval % 1),
        times=options.time,
        queries=options.qemu_interval is not None,
    )
    names = ShownNames(options.names)

    def named(row: Row) -> str:
        names.update(poller.domains)
        return names(row)

    return Table(heading(host), style, room=room, named=named)
