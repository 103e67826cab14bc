"""A rack in parts: of at most 300 locations, and of no more than a page holds however long their names are."""

from sqlalchemy import Connection

from warehouse.console.pages.content.places import MAX_TILES
from warehouse.console.pages.list_parts import ListPart, part_of
from warehouse.console.pages.settings import PageSettings

RACK_BYTES = 186_000
"""Of a part's tiles: more than of other lists, since how long a tile is is known to a few bytes."""


def rack_part(
    connection: Connection, settings: PageSettings, rack: str, number: int = 1, at: str = ""
) -> ListPart[str]:
    """Codes of a rack's locations, in walking order: of this part, or of the one with the location `at`."""
    codes = settings.codes.of_rack(connection, rack, settings.patterns)
    sizes = settings.sizes.of(connection, rack, codes, settings.products)
    least = RACK_BYTES // (MAX_TILES + 1) + 1  # so that there are never more
    return part_of(codes, number, lambda code: max(least, sizes[code]), RACK_BYTES, lambda code: code == at)
