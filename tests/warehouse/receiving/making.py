"""Puts messages into the receiver's database as the receiver does."""

from tests.publishers import SITE, Message
from warehouse.receiving.database import Database
from warehouse.receiving.database_writer import DatabaseWriter, WriteResult
from warehouse.receiving.parsing import parse_message


def write(database: Database, *messages: Message) -> WriteResult:
    """Store messages in one transaction."""
    return DatabaseWriter(database, SITE, 1).write([parse_message(SITE, *message) for message in messages])
