"""Puts messages into the receiver's database as the receiver does."""

from pathlib import Path

from kardus.support.clock import SYSTEM_CLOCK, Clock
from tests.publishers import SITE, Message
from warehouse.receiving.parsing import parse_message
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.pictures import PictureStore
from warehouse.store.places import settle_pictures
from warehouse.store.retention import Retention, RetentionLimits
from warehouse.store.writer import StoreWriter, WriteResult


def pictures_of(database: Database) -> PictureStore:
    """Its pictures: a server's of the tests lie in a folder named after its database."""
    place = settle_pictures(database, "", needed=False)
    if not place:
        url = database.address.url
        place = settle_pictures(database, f"{url.query['host']}/{url.database}", needed=True)
    return PictureStore(place)


def writer_of(database: Database, pictures_mb: int = 1) -> StoreWriter:
    """What a receiver writes with."""
    return StoreWriter(database, SITE, pictures_mb, pictures_of(database))


def write(database: Database, *messages: Message) -> WriteResult:
    """Store messages in one transaction."""
    return writer_of(database).write([parse_message(SITE, *message) for message in messages])


def retention_of(database: Database, keep: RetentionLimits, clock: Clock = SYSTEM_CLOCK) -> Retention:
    """What a receiver deletes with."""
    return Retention(database, keep, pictures_of(database), clock)


def filled(path: Path, messages: list[Message]) -> Path:
    """A file with these messages."""
    path.parent.mkdir(exist_ok=True)
    with open_database(path, make=True) as database:
        writer_of(database, 10).write([parse_message(SITE, *message) for message in messages])
    return path
