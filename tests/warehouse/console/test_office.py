"""People, the fleet, trends and tables: what the office looks at."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from openpyxl import load_workbook

from kardus.contract.messages import Alert, CameraHealth, LastPicture, Status
from kardus.contract.verdicts import Verdict
from kardus.support.time_zone import time_zone
from tests.publishers import Publisher
from tests.scripts.page_routes import routes
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from tests.warehouse.teaching.judged import judge, say
from warehouse.console.identity.people import find_person, list_people
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.rendering import TEMPLATES
from warehouse.console.pages.routes.fleet import TROUBLE
from warehouse.console.pages.routes.trends import trends_of
from warehouse.console.pages.settings import PageSettings
from warehouse.store.closing import forget_stored
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.store.reader import StoreReader

PASSWORD = "a long one of words"  # noqa: S105 - the tests' own


def test_an_administrator_adds_changes_and_removes_people(file_database: Database) -> None:
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR)
    assert browser.post("/people", do="add", name="Wati", role="operator", password=PASSWORD).status_code == 303
    assert browser.post("/people", do="role", name="Wati", role="supervisor").status_code == 303
    assert browser.post("/people", do="password", name="Wati", password=PASSWORD + "!").status_code == 303
    found = find_person(file_database, "wati")
    assert found is not None
    assert found.role == Role.SUPERVISOR
    assert browser.post("/people", do="remove", name="Wati").status_code == 303
    assert [one.name for one in list_people(file_database)] == ["a administrator"]
    noted = words_of(browser.get("/audit").text)
    assert all(word in noted for word in ("added a person Wati operator", "changed a role", "operator to supervisor"))
    assert all(word in noted for word in ("changed a password", "removed a person"))
    noted = words_of(Browser(console_over(file_database), Role.ADMINISTRATOR, "id").get("/audit").text)
    assert all(word in noted for word in ("menambah orang Wati operator", "operator menjadi penyelia"))


@pytest.mark.parametrize(
    "fields",
    [
        {"do": "add", "name": "a ADMINISTRATOR", "role": "viewer", "password": PASSWORD},
        {"do": "add", "name": "short", "role": "viewer", "password": "short"},
        {"do": "add", "name": "none", "role": "viewer"},
        {"do": "add", "name": "king", "role": "king", "password": PASSWORD},
        {"do": "add", "name": "\n", "role": "viewer", "password": PASSWORD},
        {"do": "remove", "name": "a administrator"},
        {"do": "role", "name": "a administrator", "role": "viewer"},
        {"do": "role", "name": "nobody", "role": "viewer"},
        {"do": "dance"},
    ],
)
def test_what_would_leave_nobody_in_charge_or_nobody_known_is_refused(
    file_database: Database, fields: dict[str, str]
) -> None:
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR)
    assert browser.post("/people", **fields).status_code == 422
    assert [(one.name, one.role) for one in list_people(file_database)] == [("a administrator", Role.ADMINISTRATOR)]


def test_the_fleet_says_who_is_away_and_which_models_run(hall: Hall) -> None:
    shown = words_of(Browser(hall.console, Role.VIEWER).get("/fleet").text)
    assert "2 agents 0 offline 1 model in use" in shown
    assert "m 1.0.0" in shown
    assert "0.1.0" in shown


def test_trends_count_by_day_aisle_and_product(database: Database) -> None:
    box, now = Publisher(), datetime.now(UTC)
    for n, (aisle, minutes) in enumerate((("A", 4), ("A", 6), ("B", None))):
        opened = now - timedelta(minutes=10)
        alert = Alert(id=f"alert-{n}", status="open", opened=opened)
        write(database, box.event(f"{aisle}-01-1-0{n}", Verdict.MISMATCH, alert))
        if minutes is not None:
            over = alert.model_copy(update={"status": "resolved", "resolved": now, "duration_s": 60.0 * minutes})
            write(database, box.event(f"{aisle}-01-1-0{n}", Verdict.MATCH, over))
    with database.reading() as connection:
        found = trends_of(connection, 7, now, PageSettings())
    assert (found.total, found.still, found.median_minutes, len(found.days)) == (3, 1, 5.0, 7)
    assert sum(count for _, count, _ in found.days) == 3
    assert (found.aisles, found.products) == ([("A", 2), ("B", 1)], [("Tea", 3)])
    assert "<rect" in Browser(console_over(database), Role.VIEWER).get("/trends?days=7").text


@pytest.mark.parametrize(
    ("now", "last"),
    [("2025-04-05T00:30+02:00", "2025-04-05"), ("2025-10-31T23:30+01:00", "2025-10-31")],
    ids=["spring", "autumn"],
)
def test_the_days_of_a_trend_end_today_also_after_a_clock_was_changed(
    file_database: Database, now: str, last: str
) -> None:
    moment = datetime.fromisoformat(now)
    box, alert = Publisher(), Alert(id="alert-1", status="open", opened=moment - timedelta(minutes=20))
    write(file_database, box.event("A-01-1-01", Verdict.MISMATCH, alert))
    with file_database.reading() as connection:
        found = trends_of(connection, 7, moment.astimezone(UTC), PageSettings(zone=time_zone("Europe/Berlin")))
    assert (len(found.days), found.days[-1][0].isoformat(), found.days[-1][1]) == (7, last, 1)


def test_trends_of_an_aisle_and_a_family_and_the_coverage_of_each(file_database: Database) -> None:
    box, now = Publisher(), datetime.now(UTC)
    for n, aisle in enumerate("AAB"):
        alert = Alert(id=f"alert-{n}", status="open", opened=now)
        write(file_database, box.event(f"{aisle}-01-1-0{n}", Verdict.MISMATCH, alert))
    write(file_database, box.state("A-01-1-00"), box.state("A-01-1-01", Verdict.OBSTRUCTED), box.state("B-01-1-02"))
    write(file_database, Publisher("other").state("A-01-1-01"), box.state("B-01-1-03", Verdict.UNMANAGED))
    write(file_database, box.state("B-01-1-04", Verdict.STALE))
    products = Products()
    products.add(ProductPhoto("Tea", "Drinks <b>", None))
    browser = Browser(console_over(file_database), Role.VIEWER, products=products)
    shown = browser.get("/trends?days=7").text
    assert "family=Drinks%20%3Cb%3E" in shown
    words = words_of(shown)
    assert "A 100 % (2/2) B 50 % (1/2)" in words, "another agent sees A-01-1-01; nobody manages B-01-1-03"
    assert "As a table" in words
    of_b = browser.get("/trends", params={"days": 7, "aisle": "B", "family": "Drinks <b>"})
    assert "1 discrepancies" in words_of(of_b.text)
    table = list(csv.reader(io.StringIO(browser.get("/export/trends.csv?days=7").content.decode("utf-8-sig"))))
    assert ["aisle", "A", "2", "", "", ""] in table
    assert ["family", "Drinks <b>", "3", "", "", ""] in table
    assert ["coverage of aisle", "B", "", "", "2", "1"] in table
    assert [row[0] for row in table].count("day") == 7


@pytest.mark.parametrize("path", ["/", "/work", "/trends", "/fleet", "/models", "/teaching", "/enrolment"])
def test_nothing_read_is_not_nothing_there(file_database: Database, path: str) -> None:
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR)
    shown = words_of(browser.get(path).text)
    assert re.search("[Nn]o agent has said anything|Nobody has said of any picture", shown)
    assert "Nothing to do" not in shown
    assert "Nothing is left" not in shown


def test_an_agent_that_is_away_is_said_where_its_discrepancies_would_be(file_database: Database) -> None:
    box = Publisher()
    write(file_database, box.state("A-01-1-00"), box.online())
    browser = Browser(console_over(file_database), Role.VIEWER)
    assert "Nothing to do" in words_of(browser.get("/work").text)
    write(file_database, box._writer.offline("connection lost", datetime.now(UTC)))
    for path in ("/work", "/trends"):
        assert "Agents that are offline: 1 of 1." in words_of(browser.get(path).text)


def test_the_fleet_shows_disk_outbox_and_last_pictures(file_database: Database) -> None:
    box, now = Publisher(), datetime.now(UTC)
    last = (LastPicture(camera="cam", captured=now),)
    told = box._writer.online(1, "0.1.0", now, disk_free_mb=11_480, waiting=17, last_pictures=last)
    health = CameraHealth(camera="cam", status="ok", since=now)
    write(file_database, told, box._writer.health(health))
    browser = Browser(console_over(file_database), Role.VIEWER)
    shown = words_of(browser.get("/fleet").text)
    assert "Disk 11.5 GB free Not sent yet 17" in shown
    assert "last picture" in shown
    assert "11480,17,cam,ok" in browser.get("/export/fleet.csv").text


def test_a_status_of_an_earlier_agent_that_says_more_is_stored_and_shown(hall: Hall) -> None:
    topic, payload = hall.box._writer.online(1, "0.0.9", datetime.now(UTC), waiting=17)
    said = json.loads(payload)
    said["data"]["answered"] = {"small": 750, "large": 250}
    write(hall.console.database, (topic, json.dumps(said).encode()))
    agent = StoreReader(hall.console.database).site_state().agents["box"]
    assert (agent.status, agent.waiting) == ("online", 17)
    browser = Browser(hall.console, Role.VIEWER)
    assert "0.0.9" in words_of(browser.get("/fleet").text)
    assert "box,online,0.0.9" in browser.get("/export/fleet.csv").text
    assert hall.client.get("/agents/box").json()["status"] == said["data"], "the API hands on what was said"


def test_an_agent_of_which_only_its_cameras_have_spoken_is_shown(file_database: Database) -> None:
    health = CameraHealth(camera="cam", status="ok", since=datetime.now(UTC))
    write(file_database, Publisher()._writer.health(health))
    shown = words_of(Browser(console_over(file_database), Role.VIEWER).get("/fleet").text)
    assert all(words in shown for words in ("box offline", "Locations 0"))
    assert "cam in order" in shown


def _shown(cell: Any) -> str:
    return str(cell.value)


EXPORTS = [found[1] for route in routes() if (found := re.fullmatch(r"/export/(\w+)\.\{kind\}", route.path))]


@pytest.mark.parametrize("name", EXPORTS)
def test_every_list_is_a_table_without_formulas(file_database: Database, name: str) -> None:
    evil, box = "=cmd|' /C calc'!A0", Publisher("=agent")
    alert = Alert(id="alert-1", status="open", opened=datetime.now(UTC))
    write(file_database, box.event(evil, Verdict.MISMATCH, alert), box.state(evil, Verdict.MISMATCH, seen="=1+1"))
    write(file_database, box.online())
    say(file_database, box.ids[0], StatedTruth.PRODUCT, "=named")
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR)
    browser.post("/people", do="add", name="=person", role="viewer", password=PASSWORD)
    address, asked = f"/export/{name}.", {"code": evil, "name": evil}
    table = list(csv.reader(io.StringIO(browser.get(address + "csv", params=asked).content.decode("utf-8-sig"))))
    sheet = load_workbook(io.BytesIO(browser.get(address + "xlsx", params=asked).content)).active
    assert sheet is not None
    assert len(table) > 1
    assert len(table) == sheet.max_row
    cells = [cell for row in table for cell in row]
    assert not [cell for cell in cells if cell.startswith("=")]
    assert any(cell.startswith("'=") for cell in cells)
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert browser.get(address + "exe", params=asked).status_code == 404
    reader = Browser(console_over(file_database), Role.ADMINISTRATOR, "id")
    headed = load_workbook(io.BytesIO(reader.get(address + "xlsx", params=asked).content)).active
    assert headed is not None
    pairs = [(_shown(one), _shown(other)) for one, other in zip(headed[1], sheet[1], strict=True)]
    assert not set(table[0]) & {word for pair in pairs for word in pair if "_" in word}
    assert sum(one != other for one, other in pairs) > len(pairs) / 2, "in the reader's language"
    assert reader.get(address + "csv", params=asked).text.splitlines()[0].lstrip("\ufeff") == ",".join(table[0])


@pytest.mark.parametrize("name", EXPORTS)
def test_every_table_is_offered_where_its_list_is(name: str) -> None:
    templates = [path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir()]
    assert sum(f'.files("{name}"' in text for text in templates) == 1


def test_an_xlsx_says_what_the_page_says_in_the_reader_s_language_and_a_csv_what_the_api_says(
    file_database: Database,
) -> None:
    box = Publisher()
    for code, wanted, there in (("A-01-1-01", "Tea", "Soap"), ("A-01-1-02", "Soap", "Tea")):
        write(file_database, box.event(code, Verdict.MISMATCH), box.state(code, Verdict.MISMATCH, wanted, there))
    say(file_database, box.ids[0], StatedTruth.EMPTY)
    health = CameraHealth(camera="cam", status="over-exposed", reason="91 % white", since=datetime.now(UTC))
    write(file_database, box.online(), box._writer.health(health))
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR, "id")
    browser.post("/people", do="add", name="Sri", role="supervisor", password=PASSWORD)
    swap = "Tukar A-01-1-01 dengan A-01-1-02"
    for name, shown in {
        "work": {"mismatch": "produk salah", "swap with A-01-1-02": swap},
        "rack": {"mismatch": "produk salah", "open": "terbuka", "no": "tidak"},
        "location": {"mismatch": "produk salah"},
        "fleet": {"online": "terhubung", "over-exposed": "terlalu terang", "91 % white": "91 % white"},
        "labels": {"empty": "Tidak ada apa-apa di sana", "mismatch": "produk salah"},
        "precision": {"alert": "Peringatan: memang ada yang salah", "camera": "dari kamera"},
        "people": {"supervisor": "penyelia", "Sri": "Sri"},
        "audit": {"add-user": "menambah orang", "supervisor": "penyelia"},
        "trends": {"day": "Hari"},
    }.items():
        address, asked = f"/export/{name}.", {"code": "A-01-1-01", "name": "A-01"}
        table = list(csv.reader(io.StringIO(browser.get(address + "csv", params=asked).content.decode("utf-8-sig"))))
        sheet = load_workbook(io.BytesIO(browser.get(address + "xlsx", params=asked).content)).active
        assert sheet is not None
        found = {
            (said, _shown(read))
            for row, line in zip(table[1:], sheet.iter_rows(min_row=2), strict=True)
            for said, read in zip(row, line, strict=True)
        }
        assert set(shown.items()) <= found, (name, found)


def test_racks_and_a_rack_s_locations_are_tables(file_database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    write(file_database, box.event("A-02-1-01", Verdict.EMPTY), box.state("A-02-1-01", Verdict.EMPTY, "Tea"))
    write(file_database, other.state("A-02-1-01", Verdict.MATCH, "Tea"), box.state("A-10-1-01"), box.state("B-01-2-01"))
    write(file_database, box.state("A-02-2-01", Verdict.STALE), *(box.state(f"C-01-1-{n:03d}") for n in range(310)))
    browser = Browser(console_over(file_database), Role.VIEWER)

    def table(address: str) -> list[list[str]]:
        return list(csv.reader(io.StringIO(browser.get(address).content.decode("utf-8-sig"))))

    racks = table("/export/racks.csv")
    assert racks[0] == ["aisle", "rack", "locations", "to_check", "in_doubt", "no_view", "match"]
    assert racks[1:3] == [["A", "A-02", "2", "1", "0", "1", "0"], ["A", "A-10", "1", "0", "0", "0", "1"]]
    assert [row[1] for row in table("/export/racks.csv?aisle=B")[1:]] == ["B-01"]
    head, first, second = table("/export/rack.csv?name=A-02")
    told = dict(zip(head, first, strict=True))
    assert (told["location"], told["level"], told["expected"], told["conflict"]) == ("A-02-1-01", "1", "Tea", "yes")
    assert dict(zip(head, second, strict=True))["verdict"] == "stale"
    assert len(table("/export/rack.csv?name=C-01")) == 311, "all parts of it"
    assert browser.get("/export/rack.csv?name=none").status_code == 404


def test_what_people_said_and_how_often_cameras_are_right_are_tables(file_database: Database) -> None:
    box = Publisher()
    events = [judge(file_database, box, f"A-01-1-0{n}", StatedTruth.EMPTY, has_picture=False) for n in range(4)]
    say(file_database, events[0], StatedTruth.PRODUCT, "Tea", note="the picture is old")
    say(file_database, events[3], StatedTruth.WITHDRAWN)
    browser = Browser(console_over(file_database), Role.SUPERVISOR)
    labels = list(csv.DictReader(io.StringIO(browser.get("/export/labels.csv").content.decode("utf-8-sig"))))
    assert [one["truth"] for one in labels] == ["withdrawn", "product", "empty", "empty"], "the latest first"
    assert (labels[1]["sku"], labels[1]["corrected"], labels[1]["note"]) == ("Tea", "match", "the picture is old")
    precision = list(csv.DictReader(io.StringIO(browser.get("/export/precision.csv").content.decode("utf-8-sig"))))
    overall = next(one for one in precision if (one["claim"], one["by"]) == ("alert", "all"))
    assert (overall["right"], overall["judged"], overall["share"][:5]) == ("2", "3", "0.666")
    assert float(overall["low"]) < 2 / 3 < float(overall["high"])
    assert Browser(console_over(file_database), Role.OPERATOR).get("/export/labels.csv").status_code == 403


def test_an_alert_of_a_forgotten_agent_was_not_put_right(file_database: Database) -> None:
    now = datetime.now(UTC)
    alert = Alert(id="alert-1", status="open", opened=now - timedelta(days=2))
    write(file_database, Publisher().event("A-01-1-01", Verdict.MISMATCH, alert))
    with file_database.writing() as connection:
        assert forget_stored(file_database, connection, "box") == 1
    with file_database.reading() as connection:
        found = trends_of(connection, 7, now, PageSettings())
    assert (found.total, found.still, found.median_minutes) == (1, 0, None)


def test_every_state_of_a_camera_has_its_words() -> None:
    assert set(get_args(Status)) <= set(TROUBLE)
