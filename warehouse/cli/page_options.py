"""The options that say how `serve` shows the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from warehouse.cli.option_groups import with_options

PageOptions = dict[str, Any]
"""Fields of `ServerSettings`, whose module is loaded when the server starts."""


def page_options(
    timezone: Annotated[
        str, typer.Option(help="The page's time zone, such as Asia/Jakarta; by default this machine's.")
    ] = "",
    products: Annotated[
        Path | None,
        typer.Option(help="Photos of products, for the page: a bundle, a data set, or a folder named by SKU."),
    ] = None,
    rack: Annotated[
        str,
        typer.Option(
            help="Regular expression that finds the rack in a location's code; by default all but the last two parts."
        ),
    ] = "",
    aisle: Annotated[
        str,
        typer.Option(
            help="Regular expression that finds the aisle in a location's code; by default its part before the first -."
        ),
    ] = "",
    bundles: Annotated[
        Path | None,
        typer.Option(help="A folder with signed bundles, to be offered to agents; needs --agents-url and --host."),
    ] = None,
    requests: Annotated[
        Path | None,
        typer.Option(help="A folder for requests for new products, and what is answered: see docs/teaching.md."),
    ] = None,
    agents_url: Annotated[
        str, typer.Option(help="By which address agents reach this server, to fetch bundles: https://...")
    ] = "",
    oidc: Annotated[
        Path | None,
        typer.Option(help="A TOML file that says by which provider people may sign in too: see docs/page.md."),
    ] = None,
    link: Annotated[
        bool | None,
        typer.Option(
            "--link/--no-link",
            help="Print an address that lets in once, as administrator; by default with a SQLite file on the loopback.",
            show_default=False,
        ),
    ] = None,
) -> PageOptions:
    """What the options say."""
    return (
        {"timezone": timezone, "link": link, "products": products, "oidc": oidc}
        | {"bundles": bundles, "agents_url": agents_url, "requests": requests}
        | {key: pattern for key, pattern in (("rack", rack), ("aisle", aisle)) if pattern}
    )


def with_page(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command that takes `page` have the options of `page_options` in its place."""
    return with_options(command, "page", page_options)
