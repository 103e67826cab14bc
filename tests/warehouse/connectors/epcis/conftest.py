"""An empty database of the receiver's."""

from tests.warehouse.receiving.conftest import database

__all__ = ["database"]
