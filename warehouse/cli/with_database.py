"""Runs a function with the database that a command names, and closes it."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kardus.support.errors import DataError
from warehouse.store.cli import address_from

if TYPE_CHECKING:
    from warehouse.store.database import Database

Result = TypeVar("Result")


def with_database(where: str, password_file: Path | None, do: "Callable[[Database], Result]") -> Result:
    """Open it, and let `do` use it.

    Raises:
        DataError: it can't be used.
    """
    from warehouse.store.database import StoreError  # noqa: PLC0415 - see the package
    from warehouse.store.opening import open_database  # noqa: PLC0415 - see the package

    address = address_from(where, password_file)
    with closing(open_database(address, make=False)) as database:
        try:
            return do(database)
        except StoreError as error:
            raise DataError(f"{address}: can't be used ({error}): try again, or check rights and disk") from error
