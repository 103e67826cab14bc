"""Every page: who may see it, that nothing that came over MQTT is taken for markup, and its languages."""

import http.client
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.patience import PATIENCE_S
from tests.publishers import Message, Publisher
from tests.scripts import page_texts
from tests.scripts.page_routes import OPEN, role_of, routes
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from warehouse.console.app import make_app
from warehouse.console.identity.roles import Role
from warehouse.console.pages import static_files
from warehouse.console.pages.rendering import TEMPLATES, environment
from warehouse.console.pages.words.languages import LANGUAGES, LocalFormat, catalog_of, chosen_language, translations_of
from warehouse.store.database import Database

EVIL = "\"'><img src=x onerror=alert(1)>{{7*77777}}"
"""What a name from outside may look like: an MQTT topic's part may hold every character of it."""


def paths(method: str) -> list[str]:
    """Of the routes of a method."""
    return [route.path for route in routes() if method in (route.methods or ())]


def test_every_route_but_the_way_in_names_a_role() -> None:
    assert {route.path for route in routes() if role_of(route) is None} <= OPEN


ROLES = [None, *Role]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.word if role else "nobody")
def test_each_role_gets_in_where_it_may_and_nowhere_else(database: Database, role: Role | None) -> None:
    browser = Browser(console_over(database), role)
    for route in routes():
        needed, path = role_of(route), re.sub(r"\{[^}]*\}", "x", route.path)
        if needed is None or path in {"/signout", "/live"}:
            continue
        for method in sorted(route.methods or ()):
            answer = browser.client.request(method, path, data={"csrf": browser.csrf} if method == "POST" else None)
            if role is None:
                assert answer.status_code in (303, 401), (method, path)
            elif role < needed:
                assert answer.status_code == 403, (method, path)
            else:
                assert answer.status_code not in (401, 403, 500), (method, path, answer.text)


@pytest.mark.parametrize("path", sorted(set(paths("POST")) - OPEN))
def test_nothing_is_changed_without_the_session_s_token(file_database: Database, path: str) -> None:
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR)
    assert browser.client.post(re.sub(r"\{[^}]*\}", "x", path)).status_code == 403


def evil_messages() -> list[Message]:
    """A location, its alert and its camera, with names that would be markup."""
    box = Publisher(EVIL)
    alert = Alert(id=f"alert {EVIL}", status="acknowledged", opened=datetime.now(UTC), by=EVIL)
    messages = [box.event(EVIL, Verdict.MISMATCH, alert), box.state(EVIL, Verdict.MISMATCH, EVIL, EVIL), box.online()]
    messages.append(box.state(f"{EVIL}-2", Verdict.MISMATCH, EVIL, f"{EVIL} 2"))
    return [(topic, _worse(payload)) for topic, payload in messages]


def _worse(payload: bytes) -> bytes:
    content = json.loads(payload)
    data = content["data"]
    if "camera" in data:
        data |= {"camera": EVIL, "reason": EVIL, "model": {"name": EVIL, "version": EVIL}}
        data["seen"] |= {"category": EVIL}
    return json.dumps(content).encode()


class Marks(HTMLParser):
    """Finds what would run."""

    def __init__(self) -> None:
        """Nothing was found yet."""
        super().__init__()
        self.dangerous: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One mark."""
        given = dict(attrs)
        if any(name.startswith("on") or name == "style" for name in given) or given.get("src") == "x":
            self.dangerous.append(f"<{tag} {attrs}>")
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            self.dangerous.append(f"<{tag} {attrs}>")


PATHS = [path for path in paths("GET") if "{" not in path]


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_from_outside_are_never_markup(file_database: Database, language: str) -> None:
    write(file_database, *evil_messages())
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR, language)
    told = {"code": EVIL, "name": EVIL, "agent": EVIL, "camera": EVIL, "aisle": EVIL}
    seen = 0
    for path in PATHS:
        if path == "/live":
            continue
        answer = browser.get(path, params=told)
        assert answer.status_code != 500, (path, answer.text)
        if "html" not in answer.headers.get("content-type", ""):
            continue
        marks = Marks()
        marks.feed(answer.text)
        assert marks.dangerous == [], path
        assert "544439" not in answer.text, path
        seen += "onerror=alert(1)" in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert seen > 3, "the names are shown"


def test_no_template_has_inline_scripts_or_styles() -> None:
    for path in sorted(TEMPLATES.iterdir()):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|\|\s*safe\b", text), path.name
        assert all("src=" in found or "json" in found for found in re.findall(r"<script[^>]*>", text)), path.name
        assert "//" not in re.sub(r"http://www\.w3\.org/\S*|\{#.*?#\}", "", text), (
            f"{path.name}: fetched from elsewhere"
        )


@pytest.mark.parametrize("name", ["../context.py", "..%2f..%2fcontext.py", "htmx.LICENSE", "%2e%2e/x", "x%00", ""])
def test_nothing_but_the_listed_files_is_served(file_database: Database, name: str) -> None:
    browser = Browser(console_over(file_database), Role.VIEWER)
    assert browser.get(f"/static/{name}").status_code == 404
    for path in ("crops", "photos"):
        assert browser.get(f"/{path}/{name}").status_code == 404
        assert browser.get(f"/{path}/../../../../etc/passwd").status_code == 404


def test_a_picture_is_given_and_it_is_noted_who_looked(hall: Hall) -> None:
    browser = Browser(hall.console, Role.VIEWER)
    found = browser.get(f"/crops/{hall.box.ids[29]}")
    assert found.content.startswith(b"\xff\xd8")
    noted = hall.client.get("/audit?action=picture").json()["items"]
    assert [(one["subject"], one["actor"].split(" (")[0]) for one in noted] == [(hall.box.ids[29], "a viewer")]


def test_static_files_are_kept_by_browsers_as_long_as_they_are_the_same(file_database: Database) -> None:
    browser = Browser(console_over(file_database), None)
    address = static_files.static_address("kardus.css")
    assert "immutable" in browser.get(address).headers["cache-control"]
    assert "immutable" not in browser.get("/static/kardus.css").headers["cache-control"]


def test_every_text_is_translated() -> None:
    assert page_texts.main(check=True) == 0


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_translations_keep_what_is_put_in(language: str) -> None:
    for message in page_texts.catalog(language):
        for text in map(str, message.string if isinstance(message.string, (tuple, list)) else (message.string,)):
            source = message.id if isinstance(message.id, str) else message.id[0]
            assert sorted(re.findall(r"%\(\w+\)\w", text)) == sorted(re.findall(r"%\(\w+\)\w", source)), source


def test_no_template_has_text_that_isn_t_marked() -> None:
    """What is left of a template without its marks, expressions and symbols."""
    for path in sorted(TEMPLATES.glob("*.jinja")):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\{%\s*trans.*?endtrans\s*%\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
        found = re.findall(
            r"[^\W\d_]{3,}", re.sub(r"<(script|style).*?</\1>|<[^>]*>|&\w+;|class=\"\w+\"", " ", text, flags=re.DOTALL)
        )
        assert set(found) <= {"Kardus", "csv", "xlsx"}, path.name


def test_the_page_speaks_the_reader_s_language(hall: Hall) -> None:
    shown = words_of(Browser(hall.console, Role.OPERATOR, "id").get("/work").text)
    assert "Tandai diketahui" in shown
    assert "Acknowledge" not in shown
    assert chosen_language("", "xx", "fr,id;q=0.5") == "id"
    assert chosen_language("", "", "xx") == "en"


def test_a_catalog_is_compiled_when_it_is_first_needed(tmp_path: Path) -> None:
    assert catalog_of("id").exists()
    assert translations_of("id").gettext("Racks") == "Rak"
    assert translations_of("en").gettext("Racks") == "Racks"
    assert environment("id") is environment("id")


def test_numbers_and_times_are_the_reader_s(hall: Hall) -> None:
    zone = make_app(hall.console).state.page.zone
    english, indonesian = LocalFormat("en", zone), LocalFormat("id", zone)
    moment = datetime(2026, 3, 4, 15, 6, tzinfo=UTC)
    assert (english.number(12345.678, 1), indonesian.number(12345.678, 1)) == ("12,345.7", "12.345,7")
    assert english.moment(moment).startswith("Mar 4, 2026")
    assert indonesian.moment(moment).startswith("4 Mar 2026")
    assert english.moment(moment).endswith("UTC")


@pytest.mark.parametrize("path", ["/nothing", "/rack?name=none", "/location?code=none"])
def test_what_is_not_there_is_a_page_and_for_htmx_a_text(file_database: Database, path: str) -> None:
    browser = Browser(console_over(file_database), Role.VIEWER, "id")
    page = browser.get(path)
    assert (page.status_code, "Itu tidak berhasil" in page.text) == (404, True)
    text = browser.get(path, headers={"HX-Request": "true"})
    assert (text.status_code, text.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_the_api_goes_on_answering_with_problems(hall: Hall) -> None:
    assert hall.client.get("/nothing").headers["content-type"] == "application/problem+json"
    assert Browser(hall.console, Role.VIEWER).get("/api/v1/agents").status_code == 401, "a cookie is no token"


def test_a_rack_of_300_tiles_is_small(file_database: Database) -> None:
    box = Publisher("box-building-7")
    sent: list[Message] = []
    for n in range(310):
        code, wrong = f"A-03-{n // 50 + 1}-{n % 50 + 1:02d}", n % 3 == 0
        verdict = Verdict.MISMATCH if wrong else Verdict.MATCH
        sent.append(box.state(code, verdict, "Noodles-Chicken-Onion", "Noodles-Shrimp" if wrong else None))
    write(file_database, *sent)
    browser = Browser(console_over(file_database), Role.VIEWER)
    shown = browser.get("/rack?name=A-03")
    assert shown.text.count('class="tile ') == 300
    assert len(shown.content) <= 200_000
    assert browser.get("/rack?name=A-03&part=2").text.count('class="tile ') == 10


def test_a_tile_comes_over_the_stream_and_others_racks_don_t(file_database: Database) -> None:
    box = Publisher()
    write(file_database, box.event("A-01-1-01"), box.state("A-01-1-01"), box.state("B-01-1-01"))
    console = console_over(file_database)
    browser = Browser(console, Role.VIEWER)
    with listening(console) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        client.request(
            "GET", "/live?view=rack&of=A-01&after=1.0", headers={"Cookie": f"kardus_session={browser.cookie}"}
        )
        answer = client.getresponse()
        write(file_database, box.event("B-01-1-01", Verdict.EMPTY), box.event("A-01-1-01", Verdict.MISMATCH))
        lines: list[str] = []
        while not any(line.startswith("data: <article") for line in lines):
            lines.append(answer.readline().decode())
        client.close()
    told = [line for line in lines if "<article" in line]
    assert len(told) == 1
    assert 'class="tile bad v-mismatch"' in told[0]
    assert 'hx-swap-oob="true"' in told[0]
    assert "B-01" not in told[0]
