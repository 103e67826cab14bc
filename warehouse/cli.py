"""The `kardus-wms` command: every sub-command's options; the work is done in `receiving`, `report` and `stock`."""

import contextlib
import queue
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from kardus.contract.mqtt_text import is_text
from kardus.contract.topics import agents_filter, is_id
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.tls import TlsFiles
from kardus.support.console import new_app, out, print_json
from kardus.support.errors import UsageError
from kardus.support.logs import set_up
from kardus.support.secrets import secret_file
from kardus.support.tables import EMPTY
from warehouse.authority.cli import app as authority_app
from warehouse.receiving.receiver import ReceiverSettings
from warehouse.receiving.service import run_receiver, webhook_from_options
from warehouse.receiving.site_monitor import SiteMonitor
from warehouse.report.report import AISLE_PATTERN
from warehouse.report.report_files import ReportOptions, write_discrepancy_report
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockRules, read_stock

app = new_app("The warehouse side: say what is expected, see what stands there.")
app.add_typer(authority_app, name="authority")


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


def _user_name(given: str | None) -> str | None:
    """Refuses what no broker would read."""
    if given is not None and not is_text(given):
        raise UsageError(f"--username '{given}': MQTT takes no control character in it: type it again")
    return given


_GROUP = _level("--group", may_be_empty=True)
SiteOption = Annotated[str, typer.Option(callback=_level("--site"), help="The site, as in the agents' configuration.")]
HostOption = Annotated[str, typer.Option(help="The broker's host.")]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="The broker's port.")]
UserOption = Annotated[str | None, typer.Option(callback=_user_name, help="User name at the broker.")]
SqliteOption = Annotated[Path, typer.Option("--sqlite", help="The receiver's SQLite database.")]
PasswordOption = Annotated[
    Path | None,
    typer.Option(help="File that holds the password, for you alone; else KARDUS_MQTT_PASSWORD is looked for."),
]
TlsOption = Annotated[
    bool, typer.Option("--tls", help="Speak TLS 1.2 or newer; any of the next four does so too.", envvar="KARDUS_TLS")
]
CaOption = Annotated[
    Path | None,
    typer.Option(help="Authorities that may vouch for the broker (PEM); else the system's.", envvar="KARDUS_CA_FILE"),
]
CertificateOption = Annotated[
    Path | None, typer.Option(help="Our own certificate (PEM).", envvar="KARDUS_CERTIFICATE_FILE")
]
KeyOption = Annotated[Path | None, typer.Option(help="Its private key (PEM), for you alone.", envvar="KARDUS_KEY_FILE")]
CrlOption = Annotated[Path | None, typer.Option(help="What the authority has revoked (PEM).", envvar="KARDUS_CRL_FILE")]
REDRAW_S = 0.25
Messages = queue.SimpleQueue[tuple[str, bytes] | None]
"""Topic and payload of each message; None: stop."""


@app.command("expect")
def expect_command(
    file: Annotated[
        Path,
        typer.Argument(help=f"A .csv, .xlsx or .xlsm file: location,sku[,quantity][,empty]; {EMPTY} where nothing is."),
    ],
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
    replace: Annotated[
        bool, typer.Option("--replace", help="Give up the locations that the file doesn't list.")
    ] = False,
    confirmed: Annotated[
        bool, typer.Option("--yes", help="With --replace: give up more than a fifth of the managed locations too.")
    ] = False,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook that has several.")] = None,
    blank_is_empty: Annotated[
        bool, typer.Option("--blank-is-empty", help="A blank sku says that the location must be empty.")
    ] = False,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="A location with several products isn't managed; else the list is refused.")
    ] = False,
) -> None:
    """Publish what the WMS expects at each location. Only what has changed is published, with a higher revision."""
    lines = read_stock(file, StockRules(sheet, blank_is_empty, mixed))
    broker = _broker(host, port, username, password_file, _tls(ca_file, certificate_file, key_file, crl_file, on=tls))
    published = publish_stock(broker, site, lines, replace=replace, confirmed=confirmed)
    given_up = sum(not change.expected.managed and not change.expected.reason for change in published)
    out.print(
        f"{len(lines)} locations listed: {len(published) - given_up} published, "
        f"{len(lines) - len(published) + given_up} unchanged, {given_up} given up"
    )


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
    as_json: Annotated[bool, typer.Option("--json", help="Print the states as JSON at the end.")] = False,
) -> None:
    """Show what is on the broker: every location's verdict, agents and cameras, live."""
    messages: Messages = queue.SimpleQueue()
    monitor = SiteMonitor()
    broker = _broker(host, port, username, password_file, _tls(ca_file, certificate_file, key_file, crl_file, on=tls))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: messages.put(None))
    # QoS 0: a broker queues QoS 1 messages up to a limit and drops the rest of a large retained set silently
    everything = [(agents_filter(site), 0)]
    with MqttClient(broker, everything, lambda *message: messages.put(message)):
        _show_watch(messages, monitor, site, seconds, as_json=as_json)
    if as_json:
        print_json([state.model_dump(mode="json") for state in monitor.current_states().values()])


@app.command("receive")
def receive_command(
    sqlite: SqliteOption,
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
    name: Annotated[
        str,
        typer.Option(callback=_level("--name"), help="Its own for each receiver of a site, the same at every start."),
    ] = "receiver",
    agent: Annotated[
        list[str] | None, typer.Option(callback=_level("--agent"), help="Only this agent; may be given several times.")
    ] = None,
    group: Annotated[
        str,
        typer.Option(
            callback=_GROUP, help="Receivers of one group divide the events, and share the file. Needs MQTT 5."
        ),
    ] = "",
    pictures_mb: Annotated[
        int, typer.Option(min=0, help="Megabytes for pictures; the oldest go first. 0: none.")
    ] = 500,
    session_days: Annotated[float, typer.Option(min=0.01, max=3650, help="How long the broker keeps its events.")] = 7,
    webhook: Annotated[str, typer.Option(help="An http(s) address that every new alert is posted to, signed.")] = "",
    webhook_secret_file: Annotated[
        Path | None, typer.Option(help="File with the secret to sign with; else KARDUS_WEBHOOK_SECRET.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON with the counts every ten seconds and at the end; JSON logs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log connections too.")] = False,
) -> None:
    """Receive and store what agents publish: every event exactly once, whatever is killed or breaks."""
    settings = ReceiverSettings(
        site=site,
        database=sqlite,
        name=name,
        agents=tuple(agent or ()),
        group=group,
        pictures_mb=pictures_mb,
        session_days=session_days,
    )
    broker = _broker(host, port, username, password_file, _tls(ca_file, certificate_file, key_file, crl_file, on=tls))
    set_up("json" if as_json else "text", verbose=verbose)
    run_receiver(broker, settings, webhook_from_options(webhook, webhook_secret_file), seconds, as_json=as_json)


@app.command("report")
def report_command(
    sqlite: SqliteOption,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the report to this .csv file.")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write the report to this Excel workbook.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page with pictures that opens on a phone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(help="From when on a location counts as verified, in local time; by default since midnight."),
    ] = None,
    aisle: Annotated[
        str, typer.Option(help="Regular expression that finds the aisle in a location's code.")
    ] = AISLE_PATTERN.pattern,
) -> None:
    """Report open discrepancies by aisle with what to do, unverified locations, and coverage."""
    write_discrepancy_report(
        sqlite, ReportOptions(csv=csv, xlsx=xlsx, html=html, as_json=as_json, since=since, aisle=aisle)
    )


def _show_watch(messages: Messages, monitor: SiteMonitor, site: str, seconds: float | None, *, as_json: bool) -> None:
    if as_json:
        _watch_messages(messages, monitor, seconds, lambda: None)
        return
    with Live(_watch_screen(monitor, site), console=out, auto_refresh=False) as live:
        _watch_messages(messages, monitor, seconds, lambda: live.update(_watch_screen(monitor, site), refresh=True))


def _watch_messages(
    messages: Messages, monitor: SiteMonitor, seconds: float | None, redraw: Callable[[], None]
) -> None:
    """Take messages in until None comes or the time is over. Redraws without messages too: states become void."""
    deadline = time.monotonic() + seconds if seconds else None
    while deadline is None or time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            message = messages.get(timeout=REDRAW_S)
            if message is None:
                break
            monitor.update(*message)
            if not messages.empty():
                continue  # one redraw for all that has come
        redraw()
    redraw()


def _watch_screen(monitor: SiteMonitor, site: str) -> Group:
    lines = [f"{name}: {status.status} {status.reason}".strip() for name, status in sorted(monitor.agents.items())]
    lines += [f"{a}, camera {c}: {h.status} {h.reason}".strip() for (a, c), h in sorted(monitor.cameras.items())]
    return Group(monitor.table(f"Site {site}: {monitor.alert_count()} alerts"), *(Text(line) for line in lines))


def _broker(
    host: str, port: int, username: str | None, password_file: Path | None, tls: TlsFiles | None
) -> BrokerSettings:
    return BrokerSettings(host, port, username, _placed("--password-file", password_file), tls)


def _tls(ca: Path | None, certificate: Path | None, key: Path | None, crl: Path | None, *, on: bool) -> TlsFiles | None:
    """What TLS works with; None: none of its options is given."""
    if (certificate is None) != (key is None):
        raise UsageError("--certificate-file and --key-file belong together: give both")
    files = TlsFiles(
        _placed("--ca-file", ca),
        _placed("--certificate-file", certificate),
        _placed("--key-file", key),
        _placed("--crl-file", crl),
    )
    return files if on or files != TlsFiles() else None


def _placed(option: str, path: Path | None) -> Path | None:
    try:
        return secret_file(path) if path is not None else None
    except ValueError as error:
        raise UsageError(f"{option} {path}: {error}") from error
