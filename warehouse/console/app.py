"""The application: every route, and its OpenAPI description (docs/schema/openapi.json)."""

from typing import Any

from fastapi import FastAPI, Response
from sqlalchemy import select

from kardus import __version__
from warehouse.console.api import acting, alerts, devices, events, evidence, labelling, locations, streaming
from warehouse.console.context import Console, Served
from warehouse.console.limits import RequestGuard
from warehouse.console.pages.menu import add_pages
from warehouse.console.pages.settings import PageSettings
from warehouse.console.problems import MEDIA_TYPE, Problem, explain_errors
from warehouse.console.unicode_normalisation import UnicodeNormalisation
from warehouse.store.tables import meta

BASE = "/api/v1"
SUMMARY = "Reads what cameras find on warehouse racks; acknowledges, comments, asks for a fresh look."
_PROBLEM = {"description": "A problem", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_OWN = ("HTTPValidationError", "ValidationError")
"""FastAPI's own form of errors, which ours takes the place of."""


def make_app(console: Console, page: PageSettings | None = None) -> FastAPI:
    """The application: the API, and the page beside it."""
    page = page or PageSettings()
    app = FastAPI(
        title="Kardus",
        summary=SUMMARY,
        version=__version__,
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.console = console
    for part in (locations, events, alerts, evidence, devices, streaming, acting, labelling):
        app.include_router(part.router, prefix=BASE)
    app.add_api_route("/healthz", _health, include_in_schema=False)
    explain_errors(app)
    add_pages(app, page)
    app.add_middleware(UnicodeNormalisation)
    app.add_middleware(RequestGuard, encrypted=page.encrypted)
    described = app.openapi
    app.openapi = lambda: app.openapi_schema or _with_problems(described())  # type: ignore[method-assign]  # FastAPI's way
    return app


def _health(console: Served) -> Response:
    """Whether the database answers; for who watches the server, without a token."""
    with console.reading() as connection:
        connection.execute(select(meta.c.key).limit(1)).all()
    return Response("ok\n", media_type="text/plain")


def _with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Every operation may end in a problem."""
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM
    parts = schema["components"]["schemas"]
    for name in _OWN:
        parts.pop(name, None)
    own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts |= own.pop("$defs", {}) | {"Problem": own}
    return schema
