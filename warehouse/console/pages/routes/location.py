"""The page of a location: what stands there now, what was seen before, with pictures, and its camera."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, func, select

from kardus.contract.topics import Id
from warehouse.console.context import Served
from warehouse.console.identity.roles import Role
from warehouse.console.live.changes import newest
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.content.agent_presence import offline_agents
from warehouse.console.pages.content.places import place_of
from warehouse.console.pages.content.precision_now import CLAIMS
from warehouse.console.pages.content.snapshots import CameraPicture, NoPicture
from warehouse.console.pages.content.tiles import Tile, tile_id, tile_of_event, tiles_of
from warehouse.console.pages.rendering import fragment, page
from warehouse.console.pages.return_links import MAX_NUMBER
from warehouse.console.pages.routes.pictures import view_address
from warehouse.console.pages.routes.racks import family_of, tile_words
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError
from warehouse.console.shown import EVENTS, event_item
from warehouse.store.tables import comments, events, latest, pictures

router = APIRouter()
PART = 30
MAX_SAID = 30
"""So many comments are shown, the newest; the API has all."""
_SAID_ONCE = (comments.c.at, comments.c.by, comments.c.text)
_COMMENTS_ONCE = select(*_SAID_ONCE).group_by(*_SAID_ONCE)
"""What is said of a task is noted with the alert of each agent that calls for somebody."""
Code = Annotated[str, Query(max_length=100)]


@router.get("/location", response_class=Response)
def show_location(
    request: Request,
    console: Served,
    visit: ViewerVisit,
    code: Code,
    before: Annotated[int | None, Query(ge=1, le=MAX_NUMBER)] = None,
) -> Response:
    """One location; `before` goes on in its history."""
    settings = request.app.state.page
    rack = place_of(code, settings.patterns).rack
    mark = settings.unannounced.mark(rack)
    with console.reading() as connection:
        place, now = newest(connection), datetime.now(UTC)
        settings.unannounced.begin(connection, now, settings.patterns)
        tile = tiles_of(connection, [code], now).get(code)
        offline = sorted({tile.agent} & offline_agents(connection)) if tile else []
        chosen = EVENTS.where(events.c.location == code)
        if before:
            chosen = chosen.where(events.c.number < before)
        rows = connection.execute(chosen.order_by(events.c.number.desc()).limit(PART + 1)).all()
        items = [event_item(row) for row in rows[:PART]]
        ids = [item["id"] for item in items]
        shown = set(connection.execute(select(pictures.c.event).where(pictures.c.event.in_(ids))).scalars())
        said = _last_comments(connection, items)
    if tile is None and not items:
        raise ProblemError(404, N_("Nobody has seen this location."))
    history = [
        _step(tile_of_event(item["event"], item["agent"], item["id"]), item, has_picture=item["id"] in shown)
        for item in items
    ]
    words: dict[str, Any] = {
        "code": code,
        "id": tile_id(code),
        "tile": tile,
        "offline": offline,
        "steps": history,
        "said": said,
        "next": items[-1]["number"] if len(rows) > PART else None,
        "place": place,
        "mark": mark,
        "before": before,
        "words": tile_words(tile, settings) if tile else None,
        "family": family_of(tile, settings) if tile else "",
        "rack": rack,
        "may_teach": visit.person.role >= Role.SUPERVISOR,
    }
    template = "location_part.html.jinja" if "hx-request" in request.headers else "location.html.jinja"
    return (fragment if "hx-request" in request.headers else page)(request, template, title=code, **words)


def _last_comments(connection: Connection, items: list[dict[str, Any]]) -> list[Any]:
    """The last comments on the alerts of these events, the oldest of them first."""
    alerts = {item["event"]["alert"]["id"] for item in items if item["event"].get("alert")}
    newest_first = _COMMENTS_ONCE.where(comments.c.alert.in_(alerts)).order_by(func.max(comments.c.number).desc())
    return list(connection.execute(newest_first.limit(MAX_SAID)))[::-1]


@router.get("/camera", response_class=Response)
def show_camera(request: Request, console: Served, __: ViewerVisit, agent: Id, camera: Id) -> Response:
    """A camera's whole picture, with its locations drawn on it."""
    settings = request.app.state.page
    with console.reading() as connection:
        chosen = select(latest.c.subject).where(latest.c.kind == "state", latest.c.agent == agent)
        codes = list(connection.execute(chosen.order_by(latest.c.subject)).scalars())
        tiles = tiles_of(connection, codes, datetime.now(UTC))
        place = newest(connection)
        claims = settings.precision.of(connection, [("camera", f"{agent}/{camera}")])
    found: CameraPicture | NoPicture = settings.snapshots.get(console.asking, agent, camera)
    picture, lacking = (None, found.value) if isinstance(found, NoPicture) else (found, "")
    shapes = [
        (tiles[code], " ".join(f"{x:.0f},{y:.0f}" for x, y in facing), facing)
        for code, facings in (picture.corners if picture else {}).items()
        for facing in facings
        if code in tiles
    ]
    return page(
        request,
        "camera.html.jinja",
        title=camera,
        agent=agent,
        camera=camera,
        picture=picture,
        lacking=lacking,
        address=view_address(agent, camera),
        shapes=shapes,
        claims=claims,
        claim_words=CLAIMS,
        place=place,
    )


def _step(tile: Tile, item: dict[str, Any], *, has_picture: bool) -> dict[str, Any]:
    """A line of the history."""
    event = item["event"]
    alert = event.get("alert") or {}
    return {
        "tile": tile,
        "captured": datetime.fromisoformat(event["captured"]),
        "likelihood": event.get("expected_likelihood"),
        "model": f"{event['model']['name']} {event['model']['version']}",
        "picture": f"/crops/{item['id']}" if has_picture else "",
        "known_by": alert.get("by", "") if alert.get("status") == "acknowledged" else "",
        "late": event.get("historical", False),
    }
