"""No route gives a file that it isn't there for, whatever its address holds, and nobody follows who isn't in."""

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.patience import PATIENCE_S
from tests.publishers import Publisher
from tests.scripts.page_routes import routes
from tests.warehouse.console.serving import BASE, client_of, console_over, listening
from tests.warehouse.console.test_live import Watcher
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from warehouse.console.agents.bundles import Bundles
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import load_products
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database

SECRET = b"root:x:0:0: what nobody is to read"
PLACES = ("", "requests", "bundles")
ENDS = ("", ".jpg", ".zip", ".bundle", ".css")
UPWARD = (
    *("../secret", "..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "..%5csecret", "..%252fsecret", "....//secret"),
    *("x/../../secret", ".%2e/secret", "%2e./secret", "..;/secret", "..%c0%afsecret", "secret%00", "%00"),
    *("%2fetc%2fpasswd", "//etc/passwd", "file:%2f%2f%2fetc%2fpasswd", "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", ".."),
)
FILES = sorted(route.path for route in routes() if "{" in route.path and "GET" in (route.methods or ()))
"""Every route whose address names something."""
API = (f"{BASE}/evidence/{{event}}", f"{BASE}/events/{{event}}")


@dataclass(frozen=True)
class Served:
    """A server, whose secrets lie beside all that it may give."""

    console: Console
    port: int
    cookie: str
    token: str
    event: str

    def ask(self, path: str) -> tuple[int, bytes]:
        """The address as it is written here: clients would tidy it up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {"Cookie": f"kardus_session={self.cookie}", "Accept": "text/html"}
        if path.startswith(BASE):
            headers["Authorization"] = self.token
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found


@pytest.fixture
def served(file_database: Database, tmp_path: Path) -> Iterator[Served]:
    """Requests, bundles, photos and pictures, each in a folder whose neighbour is a secret."""
    box = Publisher()
    write(file_database, box.event(), box.picture("A-01-1", box.ids[0]))
    for place in PLACES:
        (tmp_path / place).mkdir(exist_ok=True)
        for end in ENDS:
            (tmp_path / place / f"secret{end}").write_bytes(SECRET)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "photos" / "Tea.png")
    page = PageSettings(
        bundles=Bundles(tmp_path / "bundles", "https://kardus.example.com", tmp_path / "requests"),
        requests=tmp_path / "requests",
        products=load_products(tmp_path / "photos"),
    )
    console = console_over(file_database)
    cookie, token = Browser(console, Role.ADMINISTRATOR).cookie, client_of(console).headers["Authorization"]
    with listening(console, page) as port:
        yield Served(console, port, cookie, token, box.ids[0])


@pytest.mark.parametrize("path", [*FILES, *API])
def test_no_address_leads_out_of_what_a_route_gives(served: Served, path: str) -> None:
    for name in UPWARD:
        asked = name.join(re.split(r"\{[^}]*\}", path))
        status, content = served.ask(asked)
        assert SECRET not in content, asked
        assert b"root:" not in content, asked
        assert status in (303, 400, 401, 403, 404, 422), (asked, status)


def test_what_is_there_is_given(served: Served) -> None:
    assert served.ask(f"/crops/{served.event}")[0] == 200
    assert served.ask(f"{BASE}/evidence/{served.event}")[0] == 200


@pytest.mark.parametrize("view", ["rack", "location", "racks", "work", "fleet"])
@pytest.mark.parametrize("cookie", ["", "x" * 43, "%00"], ids=["no session", "none of ours", "no text"])
def test_nobody_follows_who_is_not_in(served: Served, view: str, cookie: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_S)
    connection.request("GET", f"/live?view={view}&of=A-01", headers={"Cookie": f"kardus_session={cookie}"})
    answer = connection.getresponse()
    assert answer.status in (303, 401)
    assert "event-stream" not in answer.headers.get("Content-Type", "")
    assert b"A-01" not in answer.read()
    assert served.console.feed.number == 0
    connection.close()


def test_whoever_signs_out_is_told_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.console.api.streaming.BEAT_S", 0.3)
    person = Browser(served.console, Role.VIEWER)
    watcher = Watcher(served.port, person, "/live?view=work")
    assert person.post("/signout").status_code == 303
    while watcher.next():
        pass
    watcher.close()
