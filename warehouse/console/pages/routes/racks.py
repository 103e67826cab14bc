"""The pages of racks: all of them by aisle, and each as it stands, a tile for every location."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from sqlalchemy import Connection, or_, select

from warehouse.console.api.locations import when_void
from warehouse.console.context import Served
from warehouse.console.identity.roles import Role
from warehouse.console.live.changes import newest
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.content.agent_presence import agent_presence, offline_agents
from warehouse.console.pages.content.places import CodePatterns, place_of, standing
from warehouse.console.pages.content.tiles import Tile, tiles_of
from warehouse.console.pages.list_parts import PartNumber, part_of, written
from warehouse.console.pages.live_lists import AskedList, ListKind
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rack_parts import rack_part
from warehouse.console.pages.rendering import fragment, page, part, reading_of, translator
from warehouse.console.pages.routes.pictures import address_now
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.words.languages import N_, LocalFormat
from warehouse.console.pages.words.verdicts import VERDICTS, verdict_style
from warehouse.console.problems import ProblemError
from warehouse.report.aisles import walking_order
from warehouse.store.portions import portions
from warehouse.store.tables import latest, latest_verdict

router = APIRouter()
MENU_ENTRY = MenuEntry("/", N_("Racks"), Role.VIEWER, 10, ("/rack", "/location"))
TONES = ("bad", "doubt", "dim", "good")
CARD_BYTES, BAR_BYTES = 260, 60
"""Of a rack in the list of all, and of each part of its bar, about."""
_BREAKS = re.compile(r"[ \t\r\n\f\v]+")
"""Spaces where a line may break: one of them is enough. Those that keep a number and its unit together stay."""
_OVERVIEW = select(latest.c.subject, latest_verdict).where(latest.c.kind == "state")


@dataclass
class RackSummary:
    """A rack in the list of all."""

    aisle: str
    rack: str
    tones: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many locations it has."""
        return sum(self.tones.values())

    def bars(self) -> list[tuple[str, float, float]]:
        """Tone, beginning and width of each part of its bar, in percent."""
        found, at = [], 0.0
        for tone in TONES:
            width = 100 * self.tones[tone] / max(1, self.total)
            if width:
                found.append((tone, round(at, 2), round(width, 2)))
            at += width
        return found


@router.get("/", response_class=Response)
def show_racks(
    request: Request,
    console: Served,
    __: ViewerVisit,
    aisle: Annotated[str, Query(max_length=100)] = "",
    number: PartNumber = 1,
    at: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """All racks, by aisle; `at`: the part of the list where this rack stands."""
    _ = translator(request)
    with console.reading() as connection:
        place = newest(connection)
        words = {**racks_words(connection, request.app.state.page, AskedList(aisle, number, at)), "place": place}
    if "hx-request" in request.headers:
        return fragment(request, "racks_part.html.jinja", **words)
    return page(request, "racks.html.jinja", title=_("Racks"), **words)


def racks_words(connection: Connection, settings: PageSettings, asked: AskedList) -> dict[str, Any]:
    """What racks_part.html.jinja shows, of one aisle or, without its name, of all."""
    racks = rack_summaries(connection, settings.patterns, datetime.now(UTC))
    shown = [rack for rack in racks if asked.of in ("", rack.aisle)]
    total = Counter[str]()
    for rack in shown:
        total.update(rack.tones)
    aisles = sorted({rack.aisle for rack in racks}, key=walking_order)
    racks_part = part_of(shown, asked.part, _bytes_of, wanted=lambda rack: rack.rack == asked.at)
    presence = agent_presence(connection)
    return {"racks": racks_part, "aisles": aisles, "aisle": asked.of, "total": total, "presence": presence}


def _bytes_of(rack: RackSummary) -> int:
    return CARD_BYTES + BAR_BYTES * len(rack.bars()) + 2 * written(rack.rack)


LIST_KIND = ListKind("racks_part.html.jinja", 2.0, racks_words)


@router.get("/rack", response_class=Response)
def show_rack(
    request: Request,
    console: Served,
    visit: ViewerVisit,
    name: Annotated[str, Query(max_length=100)],
    section: PartNumber = 1,
    at: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """One rack as it stands; of a long one a part, the one with the location `at` where it is named."""
    settings: PageSettings = request.app.state.page
    mark = settings.unannounced.mark(name)
    with console.reading() as connection:
        place, now = newest(connection), datetime.now(UTC)
        settings.unannounced.begin(connection, now, settings.patterns)
        shown = rack_part(connection, settings, name, section, at)
        tiles = tiles_of(connection, shown.entries, now)
        offline = _watching(connection, name, settings) & offline_agents(connection)
    if not tiles:
        raise ProblemError(404, N_("No agent watches this rack."))
    local, may_teach = reading_of(request).local, visit.person.role >= Role.SUPERVISOR
    levels = [
        (level, [tiles[one.location] for one in places])
        for level, places in standing([place_of(code, settings.patterns) for code in tiles])
    ]
    families = sorted({family_of(tile, settings) for tile in tiles.values()} - {""})
    return page(
        request,
        "rack.html.jinja",
        title=name,
        rack=name,
        aisle=place_of(shown.entries[0], settings.patterns).aisle,
        levels=levels,
        widest=max(len(tiles) for _, tiles in levels),
        cameras=sorted({(tile.agent, tile.camera, tile.camera_key) for tile in tiles.values()}),
        names=Counter(camera for _, camera in {(tile.agent, tile.camera) for tile in tiles.values()}),
        families=families,
        section=shown.number,
        sections=shown.parts,
        place=place,
        mark=mark,
        offline=Markup(offline_html(sorted(offline), local)),  # noqa: S704 - it is a template's
        html_of=lambda tile: Markup(tile_html(tile, local, settings, may_teach=may_teach)),  # noqa: S704 - it is a template's
    )


def _watching(connection: Connection, rack: str, settings: PageSettings) -> frozenset[str]:
    """The agents of a rack's locations."""
    codes, found = settings.codes.of_rack(connection, rack, settings.patterns), set[str]()
    for portion in portions(codes):
        chosen = select(latest.c.agent).distinct().where(latest.c.subject.in_(portion))
        found.update(connection.execute(chosen.where(latest.c.kind == "state")).scalars())
    return frozenset(found)


def offline_html(agents: Sequence[str], local: LocalFormat, *, live: bool = False) -> str:
    """Which of a rack's agents are offline, in one line; `live`: to take the place of the one that is shown."""
    return _BREAKS.sub(" ", part(local, "offline.html.jinja", agents=agents, live=live)).strip()


def tile_html(tile: Tile, local: LocalFormat, settings: PageSettings, *, may_teach: bool, live: bool = False) -> str:
    """A tile alone, in one line; `live`: to take the place of the one that is shown."""
    html = part(local, "tile.html.jinja", tile=tile, may_teach=may_teach, live=live, **tile_words(tile, settings))
    return _BREAKS.sub(" ", html).strip()


def family_of(tile: Tile, settings: PageSettings) -> str:
    """Of what should stand there, or else of what does."""
    return settings.products.family(tile.expected) or tile.seen_family


def tile_words(tile: Tile, settings: PageSettings) -> dict[str, object]:
    """What the template of a tile needs beside it."""
    tone, product = verdict_style(tile.verdict).tone, settings.products.get(tile.expected)
    return {
        "tone": tone,
        "family": family_of(tile, settings),
        "picture": f"/crops/{tile.event}" if tile.has_crop else address_now(tile.agent, tile.camera, tile.location),
        "photo": settings.products.address(tile.expected),
        "gtin": product.gtin if product else "",
    }


def rack_summaries(connection: Connection, patterns: CodePatterns, now: datetime) -> list[RackSummary]:
    """Every rack; of several agents that watch a location the worst counts."""
    places: dict[str, str] = {}
    for code, verdict, is_void in connection.execute(_OVERVIEW.add_columns(or_(*when_void(now)))):
        tone = "dim" if is_void else _tone(verdict)
        former = places.get(code)
        if former is None or TONES.index(tone) < TONES.index(former):
            places[code] = tone
    racks: dict[str, RackSummary] = {}
    for code, tone in places.items():
        place = place_of(code, patterns)
        summary = racks.get(place.rack)
        if summary is None:
            summary = racks[place.rack] = RackSummary(place.aisle, place.rack)
        summary.tones[tone] += 1
    return sorted(racks.values(), key=lambda one: (walking_order(one.aisle), walking_order(one.rack)))


def _tone(verdict: str | None) -> str:
    return VERDICTS[verdict].tone if verdict in VERDICTS else "doubt"
