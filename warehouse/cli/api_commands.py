"""The commands of the API: `serve` runs it, `tokens` let programs in."""

from pathlib import Path
from typing import Annotated

import typer

from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import new_app, out, print_json, table_of
from kardus.support.logs import set_up
from warehouse.cli.broker_options import with_broker
from warehouse.cli.page_options import PageOptions, with_page
from warehouse.cli.with_database import with_database
from warehouse.console.identity.scopes import SCOPES
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption, address_from

app = new_app("Tokens for the API: make them, list them, revoke them.")


@with_broker
@with_page
def serve_command(
    database: DatabaseOption,
    broker: BrokerSettings,
    page: PageOptions,
    database_password_file: DatabasePasswordOption = None,
    listen: Annotated[
        str, typer.Option(help="Address and port; other than the loopback's only with TLS or behind a proxy.")
    ] = "127.0.0.1:8088",
    server_certificate_file: Annotated[
        Path | None, typer.Option(help="The server's certificate (PEM), for TLS.")
    ] = None,
    server_key_file: Annotated[Path | None, typer.Option(help="Its private key (PEM), for you alone.")] = None,
    forwarded_from: Annotated[
        list[str] | None,
        typer.Option(help="A proxy before it that ends TLS (address or network); may be given several times."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.1, help="Requests a second for each token; five times that at once.")
    ] = 50,
    pictures: Annotated[str, typer.Option(help="Where pictures are; by default where the receiver said.")] = "",
    host: Annotated[str, typer.Option(help="The broker's host; without it agents can't be asked anything.")] = "",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this long; by default at SIGTERM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Logs as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more than connections and trouble.")] = False,
) -> None:
    """Serve the page and the API over HTTP: see what is stored, live; acknowledge, comment, ask for a fresh look."""
    from warehouse.console.service import ServerSettings, run_server  # noqa: PLC0415 - see the package

    set_up("json" if as_json else "text", verbose=verbose)
    settings = ServerSettings(
        listen=listen,
        certificate=server_certificate_file,
        key=server_key_file,
        forwarded_from=tuple(forwarded_from or ()),
        rate=rate,
        pictures=pictures,
        **page,
    )
    run_server(address_from(database, database_password_file), settings, broker if host else None, seconds)


@app.command("make")
def make_command(
    database: DatabaseOption,
    name: Annotated[str, typer.Option(help="Who will use it: the audit log names it.")],
    scope: Annotated[list[str], typer.Option(help=f"{', '.join(SCOPES)}; may be given several times.")],
    database_password_file: DatabasePasswordOption = None,
    days: Annotated[
        float | None, typer.Option(min=0.01, max=36_500, help="It ends after so many days; by default never.")
    ] = None,
) -> None:
    """Make a token, and print it: it is shown this once, and stored as a hash."""
    from warehouse.console.identity.tokens import make_token  # noqa: PLC0415 - see the package

    print(with_database(database, database_password_file, lambda found: make_token(found, name, scope, days)))  # noqa: T201


@app.command("list")
def list_command(
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tokens, without their secrets."""
    from warehouse.console.identity.tokens import list_tokens  # noqa: PLC0415 - see the package

    found = with_database(database, database_password_file, list_tokens)
    rows = [
        {
            "id": token.id,
            "name": token.name,
            "scopes": list(token.scopes),
            "made": token.made.isoformat(),
            "expires": token.expires.isoformat() if token.expires else None,
            "revoked": token.revoked.isoformat() if token.revoked else None,
            "good": token.is_good,
        }
        for token in found
    ]
    if as_json:
        print_json(rows)
        return
    cells = [
        (token.id, token.name, ", ".join(token.scopes), f"{token.made:%Y-%m-%d}", "yes" if token.is_good else "no")
        for token in found
    ]
    out.print(table_of(("id", "name", "scopes", "made", "good"), cells))


@app.command("revoke")
def revoke_command(
    token: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
) -> None:
    """Revoke a token: nobody is let in with it from now on."""
    from warehouse.console.identity.tokens import revoke_token  # noqa: PLC0415 - see the package

    with_database(database, database_password_file, lambda found: revoke_token(found, token))
    out.print(f"token {token}: revoked")
