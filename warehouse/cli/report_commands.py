"""The commands that show what was found to people and partners: `watch`, `report`, `export`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import err, out
from warehouse.cli.broker_options import with_broker
from warehouse.cli.topic_options import SiteOption
from warehouse.report.aisles import AISLE_PATTERN
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption, address_from


@with_broker
def watch_command(
    site: SiteOption,
    broker: BrokerSettings,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at Ctrl-C.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the states as JSON at the end; exit code 1 where some are missing.")
    ] = False,
) -> None:
    """Show what is on the broker: every location's verdict, agents and cameras, live."""
    from warehouse.report.watch import watch  # noqa: PLC0415 - see the package

    watch(broker, site, seconds, as_json=as_json)


def report_command(
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the report to this .csv file.")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write the report to this Excel workbook.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page with pictures that opens on a phone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(help="From when on a picture counts, in the report's time zone; by default since midnight."),
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="The time zone of the whole report (Europe/Berlin); by default the machine's own.")
    ] = "",
    aisle: Annotated[
        str, typer.Option(help="Regular expression that finds the aisle in a location's code.")
    ] = AISLE_PATTERN.pattern,
) -> None:
    """Report open discrepancies by aisle with what to do, unverified locations, and coverage."""
    from warehouse.report.report_files import ReportOptions, write_discrepancy_report  # noqa: PLC0415 - see the package

    write_discrepancy_report(
        address_from(database, database_password_file),
        ReportOptions(csv=csv, xlsx=xlsx, html=html, as_json=as_json, since=since, aisle=aisle, timezone=timezone),
    )


def export_command(
    database: DatabaseOption,
    epcis: Annotated[Path, typer.Option("--epcis", help="Write an EPCIS 2.0 document (JSON) to this file.")],
    mapping: Annotated[
        Path, typer.Option("--mapping", help="The .toml file with the GS1 identifiers of locations and products.")
    ],
    database_password_file: DatabasePasswordOption = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only pictures taken from then on, in the mapping's time zone.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only pictures taken before then, in the mapping's time zone.")
    ] = None,
) -> None:
    """Export what was observed for trading partners: EPCIS events, products by GTIN, locations by GLN."""
    from warehouse.connectors.epcis.export import export_epcis  # noqa: PLC0415 - see the package

    where = address_from(database, database_password_file)
    exported = export_epcis(where, epcis, mapping, since=since, until=until)
    for line in exported.summary():
        err.print(line, soft_wrap=True)
    out.print(f"{exported.written} events written to {epcis}", soft_wrap=True)
