"""Pictures of the pages: crops of events, of a location as it is now, products, a camera's whole view."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from kardus.contract.topics import Id, LocationCode
from warehouse.console.context import Console, Served, entry_of
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import Visit
from warehouse.console.pages.access import needs
from warehouse.console.pages.content.snapshots import CameraPicture, NoPicture, location_crop
from warehouse.console.problems import ProblemError
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.store.tables import pictures

router = APIRouter()
JPEG = "image/jpeg"
CHEAP = 0.1
"""Of a request's cost: a rack has hundreds of pictures."""
Viewing = Annotated[Visit, needs(Role.VIEWER, CHEAP)]
NEVER_CHANGES = {"Cache-Control": "private, max-age=86400, immutable"}
CHANGES = {"Cache-Control": "private, max-age=20"}


@router.get("/crops/{event}", response_class=Response)
def crop(request: Request, console: Served, visit: Viewing, event: str) -> Response:
    """The picture that an event rests on. It is noted who looked."""
    with console.reading() as connection:
        file = connection.execute(select(pictures.c.file).where(pictures.c.event == event)).scalar()
    jpeg = PictureStore(console.pictures or pictures_of(console.database)).read(file) if file else None
    if jpeg is None:
        raise ProblemError(404, "there is no picture of this event, or it was deleted")
    console.audit.note(entry_of(request, visit.principal, "picture", event))
    return Response(jpeg, headers=NEVER_CHANGES, media_type=JPEG)


@router.get("/now", response_class=Response)
def location_now(
    request: Request, console: Served, visit: Viewing, agent: Id, camera: Id, location: LocationCode
) -> Response:
    """A location as its camera shows it now, whatever stands there: cut out of a picture asked of the agent."""
    jpeg = location_crop(_picture(request, console, agent, camera), location)
    if jpeg is None:
        raise ProblemError(404, "the camera's picture doesn't say where the location is")
    console.audit.note(entry_of(request, visit.principal, "picture", location))
    return Response(jpeg, headers=CHANGES, media_type=JPEG)


@router.get("/view", response_class=Response)
def camera_now(request: Request, console: Served, visit: Viewing, agent: Id, camera: Id) -> Response:
    """A camera's whole picture now."""
    found = _picture(request, console, agent, camera)
    console.audit.note(entry_of(request, visit.principal, "picture", f"{agent}/{camera}"))
    return Response(found.jpeg, headers=CHANGES, media_type=JPEG)


@router.get("/photos/{name}.jpg", response_class=Response)
def photo(request: Request, _: Viewing, name: str) -> Response:
    """The photo of a product."""
    jpeg = request.app.state.page.products.photo(name)
    if jpeg is None:
        raise ProblemError(404, "there is no such photo")
    return Response(jpeg, headers=NEVER_CHANGES, media_type=JPEG)


def address_now(agent: str, camera: str, location: str) -> str:
    """Where a location as it is now is to be seen."""
    return "/now?" + urlencode({"agent": agent, "camera": camera, "location": location})


def view_address(agent: str, camera: str) -> str:
    """Where a camera's whole picture is to be seen."""
    return "/view?" + urlencode({"agent": agent, "camera": camera})


def _picture(request: Request, console: Console, agent: str, camera: str) -> CameraPicture:
    found: CameraPicture | NoPicture = request.app.state.page.snapshots.get(console.asking, agent, camera)
    if isinstance(found, NoPicture):
        raise ProblemError(404, found.value)
    return found
