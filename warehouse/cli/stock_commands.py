"""The commands for expected stock: `expect` publishes a list, `sync` follows the WMS."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import err, out
from kardus.support.errors import KardusError
from kardus.support.logs import set_up
from kardus.support.tabular.table_headers import TableLayout
from kardus.support.tabular.tables import EMPTY
from warehouse.cli.broker_options import with_broker
from warehouse.cli.health_option import HealthOption, listen_address
from warehouse.cli.topic_options import SiteOption
from warehouse.stock.list_layout import PRESET_NAMES, Preset, column_names, read_preset

ListArgument = Annotated[
    Path,
    typer.Argument(
        help="A text, .xlsx, .xlsm, .xls, .xlsb or .ods file: location,sku[,quantity][,empty]; "
        f"{EMPTY} where nothing is."
    ),
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Give up the locations that the file doesn't list.")]
YesOption = Annotated[
    bool,
    typer.Option("--yes", help="With --replace or --mixed: give up more than a fifth of the managed locations too."),
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


@with_broker
def expect_command(
    file: ListArgument,
    site: SiteOption,
    broker: BrokerSettings,
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
    from warehouse.stock.publishing import publish_stock  # noqa: PLC0415 - see the package
    from warehouse.stock.stock_list import StockRules, read_stock  # noqa: PLC0415 - see the package

    named = read_preset(preset) if preset else Preset()
    names = column_names(columns or (), named)
    layout = TableLayout(sheet, header_row, names, encoding, named.line_beginnings)
    lines = read_stock(file, StockRules(layout, named.sku_pattern, blank_is_empty=blank_is_empty, mixed=mixed))
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
    lacking = sum(not change.expected.managed and not change.expected.reason for change in published)
    several = sum(bool(change.expected.reason) for change in published)
    out.print(
        f"{len(lines)} locations listed: {len(published) - lacking - several} published, "
        f"{len(lines) - len(published) + lacking} unchanged, {lacking + several} given up"
    )


@with_broker
def sync_command(
    config: Annotated[Path, typer.Argument(help="The .toml file that says which WMS is asked, and how (docs/wms.md).")],
    site: SiteOption,
    broker: BrokerSettings,
    confirmed: Annotated[
        bool, typer.Option("--yes", help="Take the first answer even if it has far fewer locations or cartons.")
    ] = False,
    memory: Annotated[
        Path | None,
        typer.Option(help="A file that keeps what was published: for brokers that don't show it, and restarts."),
    ] = None,
    health: HealthOption = "",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON with the counts every ten seconds and at the end; JSON logs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more than changes and trouble.")] = False,
) -> None:
    """Keep the expectations equal to the WMS: what it says is compared, and only what has changed is published."""
    from warehouse.connectors.sync.service import run_sync  # noqa: PLC0415 - see the package
    from warehouse.connectors.sync.settings import make_source, read_settings  # noqa: PLC0415 - see the package

    settings, listen = read_settings(config), listen_address(health)
    source = make_source(settings)
    set_up("json" if as_json else "text", verbose=verbose)
    status = run_sync(
        broker, site, settings, source, seconds, confirmed=confirmed, memory=memory, health=listen, as_json=as_json
    )
    if seconds and status.problem:
        raise KardusError(f"{status.problem}: nothing was published for it")
