"""Racks as table files: all of them with what is to be checked, and one with its locations."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from warehouse.console.context import Served
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.content.places import place_of
from warehouse.console.pages.content.tiles import Tile, tiles_of
from warehouse.console.pages.routes.racks import RackSummary, rack_summaries
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.tables.headings import exported_table
from warehouse.console.pages.tables.table_files import ExportedValue
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

router = APIRouter()
Name = Annotated[str, Query(max_length=100)]
_RACKS = ("aisle", "rack", "locations", "to_check", "in_doubt", "no_view", "match")
_LOCATIONS = (
    *("location", "aisle", "rack", "level", "verdict", "expected", "seen", "confidence", "since", "reason"),
    *("alert", "alert_status", "agent", "camera", "conflict"),
)


@router.get("/export/racks.{kind}", response_class=Response)
def export_racks(request: Request, console: Served, _: ViewerVisit, kind: str, aisle: Name = "") -> Response:
    """All racks, or an aisle's."""
    settings: PageSettings = request.app.state.page
    with console.reading() as connection:
        racks = rack_summaries(connection, settings.patterns, datetime.now(UTC))
    return exported_table(request, "racks", kind, _RACKS, [_rack(one) for one in racks if aisle in ("", one.aisle)])


@router.get("/export/rack.{kind}", response_class=Response)
def export_rack(request: Request, console: Served, _: ViewerVisit, kind: str, name: Name) -> Response:
    """A rack's locations, all its parts."""
    settings: PageSettings = request.app.state.page
    with console.reading() as connection:
        codes = settings.codes.of_rack(connection, name, settings.patterns)
        tiles = tiles_of(connection, codes, datetime.now(UTC))
    if not tiles:
        raise ProblemError(404, N_("No agent watches this rack."))
    return exported_table(request, "rack", kind, _LOCATIONS, [_location(tile, settings) for tile in tiles.values()])


def _rack(one: RackSummary) -> list[ExportedValue]:
    return [one.aisle, one.rack, one.total, *(one.tones[tone] for tone in ("bad", "doubt", "dim", "good"))]


def _location(tile: Tile, settings: PageSettings) -> list[ExportedValue]:
    place = place_of(tile.location, settings.patterns)
    seen: list[ExportedValue] = [tile.seen, tile.confidence, tile.since, tile.reason]
    by = [tile.alert, tile.alert_status, tile.agent, tile.camera, "yes" if tile.conflict else "no"]
    return [tile.location, place.aisle, place.rack, place.level, tile.verdict, tile.expected, *seen, *by]
