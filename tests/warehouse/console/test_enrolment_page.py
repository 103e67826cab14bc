"""A new product from five chosen crops on the page, by the desk, to a bundle that can be offered."""

import io
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from export.__main__ import main as export_main
from export.keys import make_key
from tests.export.colours import colour_bundle
from tests.in_process import call
from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.teaching.judged import judge
from warehouse.console.agents.bundles import Bundles
from warehouse.console.identity.roles import Role
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth

SKU = "Jasmine <Tea> 20"


@dataclass(frozen=True)
class Desk:
    """A page with labelled crops, and where its requests go."""

    browser: Browser
    viewer: Browser
    folder: Path
    bundles: Bundles
    events: list[str]


@pytest.fixture
def desk(file_database: Database, tmp_path: Path) -> Desk:
    """Six crops of the new product, one of another."""
    folder, offered, box = tmp_path / "requests", tmp_path / "bundles", Publisher()
    for made in (folder, offered):
        made.mkdir()
    events = [judge(file_database, box, f"A-01-{n}", StatedTruth.PRODUCT, SKU) for n in range(6)]
    judge(file_database, box, "A-02-1", StatedTruth.PRODUCT, "Other")
    bundles = Bundles(offered, "https://kardus.example.com", folder)
    console = console_over(file_database)
    person = Browser(console, Role.SUPERVISOR, bundles=bundles, requests=folder)
    return Desk(person, Browser(console, Role.OPERATOR, requests=folder), folder, bundles, events)


def test_five_chosen_crops_become_a_signed_bundle_that_can_be_offered(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = desk.browser.get("/enrolment", params={"sku": SKU})
    assert "Jasmine &lt;Tea&gt; 20" in found.text
    assert found.text.count('type="checkbox"') == 6
    chosen = {f"event:{event}": "on" for event in desk.events[:5]}
    assert desk.browser.post("/enrolment", sku=SKU, name="Tea", **chosen).status_code == 303
    (asked,) = desk.folder.iterdir()
    shown = words_of(desk.browser.get("/enrolment").text)
    assert "not answered yet" in shown
    assert "few pictures" not in shown
    file = desk.browser.get(f"/enrolment/{asked.name}/request.zip")
    assert file.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        archive.extractall(tmp_path / "desk")
    make_key(tmp_path, "desk")
    bundle = colour_bundle(tmp_path / "colours.bundle")
    at_desk = tmp_path / "desk" / asked.name
    done = call(capsys, export_main, "answer", at_desk, bundle, "--sign", tmp_path / "desk.key")
    assert (done.returncode, done.stderr) == (0, "")
    shutil.copytree(at_desk, asked, dirs_exist_ok=True)
    shown = words_of(desk.browser.get("/enrolment").text)
    assert "Answered: colours 1.3.0; it is most like" in shown
    (offered,) = desk.bundles.every()
    assert (offered.title, offered.problem, offered.signatures) == ("colours 1.3.0", "", 1)
    assert "colours 1.3.0" in words_of(desk.browser.get("/models").text)


def test_few_crops_and_what_the_desk_warns_of_are_said(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.browser.post("/enrolment", **{"sku": SKU, f"event:{desk.events[0]}": "on"})
    (asked,) = desk.folder.iterdir()
    assert "5 or more are better" in words_of(desk.browser.get("/enrolment").text)
    call(capsys, export_main, "answer", asked, colour_bundle(tmp_path / "c.bundle"))
    assert "only 1 photos: 5 are better" in words_of(desk.browser.get("/enrolment").text)
    assert "nobody has signed it" in words_of(desk.browser.get("/models").text)


def test_what_cannot_be_asked_for_leaves_nothing(desk: Desk) -> None:
    event = {f"event:{desk.events[0]}": "on"}
    for form in ({"sku": SKU}, {"sku": "Other", **event}, {"sku": "empty", **event}, {"sku": SKU, "event:x": "on"}):
        assert desk.browser.post("/enrolment", **form).status_code == 422
    assert list(desk.folder.iterdir()) == []
    for id_ in ("x", "0" * 36, "%2e%2e"):
        assert desk.browser.get(f"/enrolment/{id_}/request.zip").status_code == 404
    assert desk.viewer.get("/enrolment").status_code == 403


def test_without_a_folder_or_labels_the_page_says_so(file_database: Database) -> None:
    browser = Browser(console_over(file_database), Role.SUPERVISOR)
    shown = words_of(browser.get("/enrolment").text)
    assert "--requests" in shown
    assert "begin with Teaching" in shown
    assert browser.post("/enrolment", sku=SKU).status_code == 404
