"""`kardus-wms database`: migrate, copy, check; and the options by which every command names its database.

SQLAlchemy is loaded by the commands, so that those without a database start sooner.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kardus.support.console import new_app, out, print_json
from kardus.support.errors import UsageError
from kardus.support.secrets import secret_file

if TYPE_CHECKING:
    from warehouse.store.address import DatabaseAddress

app = new_app("The database: bring its tables up to date, copy it into another one, check it.")

DatabaseOption = Annotated[
    str, typer.Option("--database", "--sqlite", help="A SQLite file, or postgresql://USER@HOST/NAME.")
]
DatabasePasswordOption = Annotated[
    Path | None,
    typer.Option(help="File with the database's password, for you alone; else KARDUS_DATABASE_PASSWORD."),
]
SourcePasswordOption = Annotated[
    Path | None,
    typer.Option(help="File with the source's password, for you alone; else KARDUS_DATABASE_PASSWORD."),
]
TargetPasswordOption = Annotated[
    Path | None,
    typer.Option(help="File with the target's password, for you alone; else KARDUS_DATABASE_PASSWORD."),
]
PicturesOption = Annotated[
    str, typer.Option(help="Where pictures go: a folder or s3://BUCKET/PREFIX; by default beside the SQLite file.")
]


def address_from(database: str, password_file: Path | None) -> "DatabaseAddress":
    """The database that the options name.

    Raises:
        UsageError: they name none.
    """
    from warehouse.store.address import address_of  # noqa: PLC0415 - see the module

    try:
        placed = secret_file(password_file) if password_file is not None else None
    except ValueError as error:
        raise UsageError(f"--database-password-file {password_file}: {error}") from error
    return address_of(database, placed)


@app.command("migrate")
def migrate_command(
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    pictures: PicturesOption = "",
    grant: Annotated[
        str, typer.Option(help="A role of the server that is to receive and report, and gets no other right.")
    ] = "",
    grant_console: Annotated[
        str, typer.Option(help="A role of the server that is to serve the API, and gets no other right.")
    ] = "",
) -> None:
    """Make the tables, or bring those of an earlier version up to date, in one transaction."""
    from warehouse.store.opening import migrate_database  # noqa: PLC0415 - see the module

    address = address_from(database, database_password_file)
    changed = migrate_database(address, pictures=pictures, grant=grant, grant_console=grant_console)
    out.print(f"{address}: {'brought up to date' if changed else 'is up to date'}", soft_wrap=True)


@app.command("copy")
def copy_command(
    source: Annotated[str, typer.Argument(help="The database to copy, which nobody receives into.")],
    target: Annotated[str, typer.Argument(help="An empty one, with its tables: see migrate.")],
    source_password_file: SourcePasswordOption = None,
    target_password_file: TargetPasswordOption = None,
    pictures: PicturesOption = "",
) -> None:
    """Copy everything, pictures too, into an empty database: in one transaction, or not at all."""
    from warehouse.store.copying import copy_database  # noqa: PLC0415 - see the module

    source_address = address_from(source, source_password_file)
    target_address = address_from(target, target_password_file)
    rows = copy_database(source_address, target_address, pictures)
    out.print(f"{target_address}: {', '.join(f'{n} {name}' for name, n in rows.items())}", soft_wrap=True)


@app.command("check")
def check_command(
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that what is stored agrees with itself; exit code 1 where it doesn't."""
    from warehouse.store.checking import check_database  # noqa: PLC0415 - see the module

    found = check_database(address_from(database, database_password_file))
    if as_json:
        print_json({"rows": found.rows, "problems": found.problems})
    else:
        out.print(", ".join(f"{n} {name}" for name, n in found.rows.items()), soft_wrap=True)
        for problem in found.problems:
            out.print(problem, soft_wrap=True)
    if found.problems:
        raise typer.Exit(1)
