"""The command `deliver`, which sends stored events to other systems."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kardus.support.console import out, print_json
from kardus.support.errors import DataError
from kardus.support.logs import set_up
from warehouse.cli.health_option import HealthOption, listen_address
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption, address_from

if TYPE_CHECKING:
    from warehouse.store.database import Database

ConfigArgument = Annotated[Path, typer.Argument(help="The .toml file that says who is told (docs/wms.md).")]
AsideOption = Annotated[bool, typer.Option("--aside", help="List what targets refused for good, and end.")]
AgainOption = Annotated[
    str, typer.Option(help="Let what was set aside be tried again, TARGET or TARGET:NUMBER, and end.")
]
ForgetOption = Annotated[str, typer.Option(help="Forget a target that is no more, and what waits for it, and end.")]


def deliver_command(
    config: ConfigArgument,
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    health: HealthOption = "",
    aside: AsideOption = False,
    again: AgainOption = "",
    forget: ForgetOption = "",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON with the counts every ten seconds and at the end; JSON logs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more than refusals and trouble.")] = False,
) -> None:
    """Tell others what is stored: webhooks, draft counts in Tryton and Odoo, Kafka, EPCIS. In order, at least once."""
    from warehouse.connectors.deliver.service import run_deliver  # noqa: PLC0415 - see the package
    from warehouse.connectors.deliver.settings import read_settings  # noqa: PLC0415 - see the package
    from warehouse.store.opening import open_database  # noqa: PLC0415 - see the package

    settings = read_settings(config)
    listen = listen_address(health)
    with open_database(address_from(database, database_password_file), make=False) as opened:
        if aside or again or forget:
            _keep_up(opened, aside=aside, again=again, forget=forget, as_json=as_json)
            return
        set_up("json" if as_json else "text", verbose=verbose)
        run_deliver(opened, settings, seconds, health=listen, as_json=as_json)


def _keep_up(database: "Database", *, aside: bool, again: str, forget: str, as_json: bool) -> None:
    from warehouse.connectors.deliver.upkeep import forget_target, try_again  # noqa: PLC0415 - see the package
    from warehouse.store.database import StoreError  # noqa: PLC0415 - see the package

    try:
        if again:
            out.print(f"{try_again(database, again)} events are tried again")
        if forget:
            out.print(f"target {forget}: forgotten, and {forget_target(database, forget)} events that waited for it")
        if aside:
            _list(database, as_json=as_json)
    except StoreError as error:
        raise DataError(f"{database.address}: can't be used ({error}): try again, or check the disk") from error


def _list(database: "Database", *, as_json: bool) -> None:
    from warehouse.connectors.deliver.upkeep import refused_events  # noqa: PLC0415 - see the package

    found = refused_events(database)
    if as_json:
        print_json([asdict(one) | {"received": one.received.isoformat()} for one in found])
        return
    for one in found:
        out.print(f"{one.target}:{one.number} {one.location} refused {one.tries} times: {one.reason}", soft_wrap=True)
    out.print(f"{len(found)} events are set aside")
