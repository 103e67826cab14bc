"""Scripts, styles and pictures of the page itself: read once, each at an address that names its content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from warehouse.console.context import tagged
from warehouse.console.problems import ProblemError

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/manifest+json",
    ".png": "image/png",
}
"""What is served of the folder; licences and lists aren't."""
router = APIRouter()


@dataclass(frozen=True)
class _File:
    body: bytes
    kind: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in MEDIA_TYPES:
            body = path.read_bytes()
            found[path.name] = _File(body, MEDIA_TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
    return found


def static_address(name: str) -> str:
    """Where a file is served: another address whenever its content is another."""
    return f"/static/{name}?v={_files()[name].tag}"


@router.get("/static/{name}", response_class=Response, name="static_file")
def static_file(request: Request, name: str) -> Response:
    """One of them; without signing in, since the way in is one of the pages that need them."""
    found = _files().get(name)
    if found is None:
        raise ProblemError(404, "there is no such file")
    answer = tagged(request, found.body, found.kind, found.tag)
    if request.query_params.get("v") == found.tag:
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer
