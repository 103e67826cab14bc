"""A question to people about one picture: the products that it may show, each with its photo and with a crop of it."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from warehouse.console.pages.list_parts import part_of, written
from warehouse.console.pages.settings import PageSettings
from warehouse.console.shown import json_of
from warehouse.store.labels import STANDS, StatedTruth
from warehouse.store.tables import labels, latest, pictures
from warehouse.teaching.queue import UnlabelledPicture

MAX_PRODUCTS = 1000
"""So many products are offered for what isn't among the likely ones."""
OPTION_BYTES = 40


@dataclass(frozen=True)
class ProductChoice:
    """A product that it may be."""

    sku: str
    photo: str
    """Its photo's address; empty: there is none."""
    example: str
    """The event of a picture that somebody said shows it; empty: there is none yet."""


@dataclass(frozen=True)
class AskedPicture:
    """What the page asks about."""

    one: UnlabelledPicture
    choices: tuple[ProductChoice, ...]
    products: tuple[str, ...]
    """Every product that has a photo, that somebody has named, or that the WMS expects anywhere."""
    has_picture: bool
    is_said: bool
    """Whether somebody has said what it shows, and it holds."""


def asked_picture(connection: Connection, settings: PageSettings, one: UnlabelledPicture) -> AskedPicture:
    """An event's picture, with what is asked of it."""
    example = select(labels.c.event).join(pictures, pictures.c.event == labels.c.event).where(STANDS)
    newest = example.order_by(labels.c.number.desc()).limit(1)
    choices = tuple(
        ProductChoice(
            sku,
            settings.products.address(sku),
            connection.execute(newest.where(labels.c.sku == sku, labels.c.event != one.event)).scalar() or "",
        )
        for sku in one.choices
    )
    has_picture = connection.execute(select(pictures.c.number).where(pictures.c.event == one.event)).first() is not None
    said = select(labels.c.truth).where(labels.c.event == one.event, STANDS)
    is_said = connection.execute(said).scalar() not in (None, StatedTruth.WITHDRAWN.value)
    return AskedPicture(one, choices, _named(connection, settings), has_picture, is_said)


def _named(connection: Connection, settings: PageSettings) -> tuple[str, ...]:
    """Products to choose from by name; of very many, those that are expected or have been named."""
    named = select(labels.c.sku).where(labels.c.sku != "").distinct()
    found = [*_expected(connection), *connection.execute(named).scalars()]
    found += [one.sku for one in settings.products.all()]
    offered = part_of(list(dict.fromkeys(found))[:MAX_PRODUCTS], 1, lambda sku: OPTION_BYTES + written(sku))
    return tuple(sorted(offered.entries))


def _expected(connection: Connection) -> list[str]:
    """Products that the WMS expects somewhere, as the agents repeat it."""
    sku = json_of(connection, latest.c.payload)["data", "expected", "sku"].as_string()
    chosen = select(sku).where(latest.c.kind == "state").distinct().limit(MAX_PRODUCTS)
    return [one for one in connection.execute(chosen).scalars() if one]
