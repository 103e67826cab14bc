"""The `kardus-wms` command: every sub-command's options; the work is done in `receiving`, `report` and `stock`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from kardus.contract.topics import is_id
from kardus.support.console import err, new_app, out
from kardus.support.errors import KardusError, UsageError
from kardus.support.logs import set_up
from kardus.support.table_headers import Layout
from kardus.support.tables import EMPTY
from warehouse.authority.cli import app as authority_app
from warehouse.broker_options import (
    CaOption,
    CertificateOption,
    CrlOption,
    HostOption,
    KeyOption,
    PasswordOption,
    PortOption,
    TlsOption,
    UserOption,
    broker_from,
    tls_from,
)
from warehouse.connectors.epcis.export import export_epcis
from warehouse.connectors.sync.service import run_sync
from warehouse.connectors.sync.settings import make_source, read_settings
from warehouse.console.cli import app as tokens_app
from warehouse.console.cli import serve_command
from warehouse.receiving.forgetting import forget_agent
from warehouse.receiving.receiver import ReceiverSettings
from warehouse.receiving.service import run_receiver, webhook_from_options
from warehouse.report.aisles import AISLE_PATTERN
from warehouse.report.report_files import ReportOptions, write_discrepancy_report
from warehouse.report.watch import watch
from warehouse.stock.list_layout import PRESET_NAMES, Preset, column_names, read_preset
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockRules, read_stock
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption, PicturesOption, address_from
from warehouse.store.cli import app as database_app
from warehouse.store.retention import Keep

app = new_app("The warehouse side: say what is expected, see what stands there.")
app.add_typer(authority_app, name="authority")
app.add_typer(database_app, name="database")
app.add_typer(tokens_app, name="tokens")
app.command("serve")(serve_command)


def _level(option: str, *, may_be_empty: bool = False) -> Callable[[Any], Any]:
    """Refuses a text, or one of a list of texts, that can't be one level of a topic."""

    def check(given: Any) -> Any:
        for text in [given] if isinstance(given, str) else given or ():
            if not (is_id(text) or (may_be_empty and not text)):
                raise UsageError(
                    f"{option} '{text}': can't stand in a topic: no /, + or # and no control character in it, not empty"
                )
        return given

    return check


_GROUP = _level("--group", may_be_empty=True)
SiteOption = Annotated[str, typer.Option(callback=_level("--site"), help="The site, as in the agents' configuration.")]
ListArgument = Annotated[
    Path,
    typer.Argument(
        help="A text, .xlsx, .xlsm, .xls, .xlsb or .ods file: location,sku[,quantity][,empty]; "
        f"{EMPTY} where nothing is."
    ),
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Give up the locations that the file doesn't list.")]
YesOption = Annotated[
    bool, typer.Option("--yes", help="With --replace: give up more than a fifth of the managed locations too.")
]
PresetOption = Annotated[
    str, typer.Option(help=f"The WMS that exported it: {', '.join(PRESET_NAMES)}, or a .toml file of your own.")
]
ColumnsOption = Annotated[
    list[str] | None, typer.Option(help='What columns are called: location=Lokasi,sku="Kode Barang".')
]
HeaderRowOption = Annotated[
    int | None, typer.Option(min=1, help="The line that names the columns; else it is looked for.")
]
BlankOption = Annotated[
    bool, typer.Option("--blank-is-empty", help="A blank sku says that the location must be empty.")
]
MixedOption = Annotated[
    bool, typer.Option("--mixed", help="A location with several products isn't managed; else the list is refused.")
]


@app.command("expect")
def expect_command(
    file: ListArgument,
    site: SiteOption,
    host: HostOption = "localhost",
    port: PortOption = 1883,
    username: UserOption = None,
    password_file: PasswordOption = None,
    tls: TlsOption = False,
    ca_file: CaOption = None,
    certificate_file: CertificateOption = None,
    key_file: KeyOption = None,
    crl_file: CrlOption = None,
    replace: ReplaceOption = False,
    confirmed: YesOption = False,
    preset: PresetOption = "",
    columns: ColumnsOption = None,
    header_row: HeaderRowOption = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text that isn't UTF-8, as windows-1250.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook that has several.")] = None,
    blank_is_empty: BlankOption = False,
    mixed: MixedOption = False,
) -> None:
    """Publish what the WMS expects at each location. Only what has changed is published, with a higher revision."""
    named = read_preset(preset) if preset else Preset()
    names = column_names(columns or (), named)
    layout = Layout(sheet, header_row, names, encoding, frozenset(text.lower() for text in named.left_out))
    lines = read_stock(file, StockRules(layout, named.sku_pattern, blank_is_empty=blank_is_empty, mixed=mixed))
    broker = broker_from(
        host, port, username, password_file, tls_from(ca_file, certificate_file, key_file, crl_file, on=tls)
    )
    with Progress(console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("published", total=None)
        published = publish_stock(
            broker,
            site,
            lines,
            replace=replace,
            confirmed=confirmed,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    given_up = sum(not change.expected.managed and not change.expected.reason for change in published)
    out.print(
        f"{len(lines)} locations listed: {len(published) - given_up} published, "
        f"{len(lines) - len(published) + given_up} unchanged, {given_up} given up"
    )


@app.command("sync")
def sync_command(
    config: Annotated[Path, typer.Argument(help="The .toml file that says which WMS is asked, and how (docs/wms.md).")],
    site: SiteOption,
    host: HostOption = "localhost",
    port: PortOption = 1883,
    username: UserOption = None,
    password_file: PasswordOption = None,
    tls: TlsOption = False,
    ca_file: CaOption = None,
    certificate_file: CertificateOption = None,
    key_file: KeyOption = None,
    crl_file: CrlOption = None,
    confirmed: Annotated[
        bool, typer.Option("--yes", help="Take the first answer even if it has far fewer locations or cartons.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON with the counts every ten seconds and at the end; JSON logs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more than changes and trouble.")] = False,
) -> None:
    """Keep the expectations equal to the WMS: what it says is compared, and only what has changed is published."""
    settings = read_settings(config)
    source = make_source(settings)
    broker = broker_from(
        host, port, username, password_file, tls_from(ca_file, certificate_file, key_file, crl_file, on=tls)
    )
    set_up("json" if as_json else "text", verbose=verbose)
    status = run_sync(broker, site, settings, source, seconds, confirmed=confirmed, as_json=as_json)
    if status.problem:
        raise KardusError(f"{status.problem}: nothing was published for it")


@app.command("watch")
def watch_command(
    site: SiteOption,
    host: HostOption = "localhost",
    port: PortOption = 1883,
    username: UserOption = None,
    password_file: PasswordOption = None,
    tls: TlsOption = False,
    ca_file: CaOption = None,
    certificate_file: CertificateOption = None,
    key_file: KeyOption = None,
    crl_file: CrlOption = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at Ctrl-C.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the states as JSON at the end; exit code 1 where some are missing.")
    ] = False,
) -> None:
    """Show what is on the broker: every location's verdict, agents and cameras, live."""
    broker = broker_from(
        host, port, username, password_file, tls_from(ca_file, certificate_file, key_file, crl_file, on=tls)
    )
    watch(broker, site, seconds, as_json=as_json)


NameOption = Annotated[
    str,
    typer.Option(callback=_level("--name"), help="Its own for each receiver of a site, the same at every start."),
]
AgentsOption = Annotated[
    list[str] | None, typer.Option(callback=_level("--agent"), help="Only this agent; may be given several times.")
]
GroupOption = Annotated[
    str,
    typer.Option(
        callback=_GROUP, help="Receivers of one group divide the events, and share the database. Needs MQTT 5."
    ),
]


PicturesMbOption = Annotated[int, typer.Option(min=0, help="Megabytes for pictures; the oldest go first. 0: none.")]
KeepDaysOption = Annotated[
    float | None, typer.Option(min=0.01, help="Delete events after so many days; those of alerts stay.")
]
KeepEventsOption = Annotated[
    int | None, typer.Option(min=1, help="Keep so many events, the newest, beside those of alerts.")
]


KeepPicturesOption = Annotated[
    float | None, typer.Option(min=0.01, help="Delete pictures after so many days, those of alerts too.")
]
KeepAuditOption = Annotated[
    float | None, typer.Option(min=1, help="Delete entries of the API's audit log after so many days.")
]


@app.command("receive")
def receive_command(
    database: DatabaseOption,
    site: SiteOption,
    database_password_file: DatabasePasswordOption = None,
    host: HostOption = "localhost",
    port: PortOption = 1883,
    username: UserOption = None,
    password_file: PasswordOption = None,
    tls: TlsOption = False,
    ca_file: CaOption = None,
    certificate_file: CertificateOption = None,
    key_file: KeyOption = None,
    crl_file: CrlOption = None,
    name: NameOption = "receiver",
    agent: AgentsOption = None,
    group: GroupOption = "",
    pictures: PicturesOption = "",
    pictures_mb: PicturesMbOption = 500,
    keep_days: KeepDaysOption = None,
    keep_events: KeepEventsOption = None,
    keep_pictures_days: KeepPicturesOption = None,
    keep_audit_days: KeepAuditOption = None,
    session_days: Annotated[float, typer.Option(min=0.01, max=3650, help="How long the broker keeps its events.")] = 7,
    webhook: Annotated[str, typer.Option(help="An http(s) address that every new alert is posted to, signed.")] = "",
    webhook_secret_file: Annotated[
        Path | None, typer.Option(help="File with the secret to sign with; else KARDUS_WEBHOOK_SECRET.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON with the counts every ten seconds and at the end; JSON logs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more than connections and trouble.")] = False,
) -> None:
    """Receive and store what agents publish: every event exactly once, whatever is killed or breaks."""
    settings = ReceiverSettings(
        site=site,
        database=address_from(database, database_password_file),
        name=name,
        agents=tuple(agent or ()),
        group=group,
        pictures=pictures,
        pictures_mb=pictures_mb,
        session_days=session_days,
        keep=Keep(keep_days, keep_events, keep_pictures_days, keep_audit_days),
    )
    broker = broker_from(
        host, port, username, password_file, tls_from(ca_file, certificate_file, key_file, crl_file, on=tls)
    )
    set_up("json" if as_json else "text", verbose=verbose)
    run_receiver(broker, settings, webhook_from_options(webhook, webhook_secret_file), seconds, as_json=as_json)


@app.command("forget")
def forget_command(
    agent: Annotated[str, typer.Argument(help="An agent that won't come back.", callback=_level("AGENT"))],
    site: Annotated[
        str, typer.Option(callback=_level("--site", may_be_empty=True), help="Its site; by default the database's.")
    ] = "",
    database: Annotated[
        str, typer.Option("--database", "--sqlite", help="The receiver's database: close its alerts there too.")
    ] = "",
    database_password_file: DatabasePasswordOption = None,
    host: HostOption = "localhost",
    port: PortOption = 1883,
    username: UserOption = None,
    password_file: PasswordOption = None,
    tls: TlsOption = False,
    ca_file: CaOption = None,
    certificate_file: CertificateOption = None,
    key_file: KeyOption = None,
    crl_file: CrlOption = None,
    confirmed: Annotated[bool, typer.Option("--yes", help="Also when it is online.")] = False,
) -> None:
    """Forget an agent: clear its retained topics, and close its alerts, so that no report shows them any more."""
    broker = broker_from(
        host, port, username, password_file, tls_from(ca_file, certificate_file, key_file, crl_file, on=tls)
    )
    where = address_from(database, database_password_file) if database else None
    done = forget_agent(broker, agent, site=site, database=where, confirmed=confirmed)
    closed = f", {done.alerts} alerts closed" if database else ""
    out.print(f"agent {agent}: {done.topics} topics cleared{closed}")


@app.command("report")
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
    write_discrepancy_report(
        address_from(database, database_password_file),
        ReportOptions(csv=csv, xlsx=xlsx, html=html, as_json=as_json, since=since, aisle=aisle, timezone=timezone),
    )


@app.command("export")
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
    where = address_from(database, database_password_file)
    exported = export_epcis(where, epcis, mapping, since=since, until=until)
    for line in exported.said():
        err.print(line, soft_wrap=True)
    out.print(f"{exported.written} events written to {epcis}", soft_wrap=True)
