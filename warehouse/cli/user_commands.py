"""`kardus-wms users`: who may open the page. The first administrator comes by `add`: there are no defaults."""

from pathlib import Path
from typing import Annotated

import typer

from kardus.support.console import new_app, out, print_json, table_of
from kardus.support.errors import UsageError
from kardus.support.secrets import read_secret
from warehouse.cli.with_database import with_database
from warehouse.console.identity.roles import ROLES
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption

app = new_app("People who may open the page: add them, list them, give them a password, remove them.")
NameArgument = Annotated[str, typer.Argument(help="The person's name, by which he signs in.")]
PasswordFileOption = Annotated[
    Path | None, typer.Option(help="File with the person's password, for you alone; by default it is asked for.")
]


@app.command("add")
def add_command(
    name: NameArgument,
    database: DatabaseOption,
    role: Annotated[str, typer.Option(help=f"{', '.join(ROLES)}: each may do all that the one before may.")],
    database_password_file: DatabasePasswordOption = None,
    password_file: PasswordFileOption = None,
) -> None:
    """Add somebody; the password is asked for, and stored as a hash."""
    from warehouse.console.identity.people import add_person  # noqa: PLC0415 - see the package

    password = _password(password_file)
    person = with_database(database, database_password_file, lambda found: add_person(found, name, role, password))
    out.print(f"{person.name}: {person.role.word}", soft_wrap=True)


@app.command("list")
def list_command(
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List people and their roles."""
    from warehouse.console.identity.people import list_people  # noqa: PLC0415 - see the package

    found = with_database(database, database_password_file, list_people)
    if as_json:
        print_json(
            [
                {"name": one.name, "role": one.role.word, "made": one.made.isoformat(), "password": one.has_password}
                for one in found
            ]
        )
        return
    out.print(table_of(("name", "role", "made"), [(one.name, one.role.word, f"{one.made:%Y-%m-%d}") for one in found]))


@app.command("password")
def password_command(
    name: NameArgument,
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    password_file: PasswordFileOption = None,
) -> None:
    """Give somebody another password: his sessions end, and a lock-out too."""
    from warehouse.console.identity.people import change_password  # noqa: PLC0415 - see the package

    password = _password(password_file)
    with_database(database, database_password_file, lambda found: change_password(found, name, password))
    out.print(f"{name}: has another password", soft_wrap=True)


@app.command("role")
def role_command(
    name: NameArgument,
    role: Annotated[str, typer.Argument(help=", ".join(ROLES))],
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
) -> None:
    """Give somebody another role; it holds from the next click on."""
    from warehouse.console.identity.people import change_role  # noqa: PLC0415 - see the package

    with_database(database, database_password_file, lambda found: change_role(found, name, role))
    out.print(f"{name}: {role}", soft_wrap=True)


@app.command("remove")
def remove_command(
    name: NameArgument, database: DatabaseOption, database_password_file: DatabasePasswordOption = None
) -> None:
    """Let somebody in no more; what he has done stays in the audit log."""
    from warehouse.console.identity.people import remove_person  # noqa: PLC0415 - see the package

    with_database(database, database_password_file, lambda found: remove_person(found, name))
    out.print(f"{name}: removed", soft_wrap=True)


def _password(file: Path | None) -> str:
    if file is not None:
        found = read_secret("--password-file", file)
        if not found:
            raise UsageError(f"--password-file {file}: is empty: write the password into it")
        return found
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True))
