"""Somebody says what a picture shows: what is stored, what it corrects, and that it happens once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from kardus.support.identifiers import uuid7
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of
from tests.warehouse.receiving.making import pictures_of, retention_of, write
from warehouse.store.retention import RetentionLimits
from warehouse.store.tables import pictures, present
from warehouse.store.writer import _prune_pictures


def say(hall: Hall, event: str, truth: str, **more: Any) -> Any:
    """Label an event."""
    return hall.client.post(f"/events/{event}/label", json={"truth": truth, **more})


def test_a_verdict_is_corrected_and_the_alert_says_so(hall: Hall) -> None:
    event, id_ = hall.box.ids[29], uuid7()
    said = {"truth": "product", "sku": " Tea ", "note": "glare", "by": "Wati", "id": id_}
    first, again = (hall.client.post(f"/events/{event}/label", json=said) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    told = first.json()
    assert told == again.json()
    assert told.pop("told")["outcome"] == "not told"
    assert (told["verdict"], told["corrected"], told["expected"], told["sku"]) == ("mismatch", "match", "Tea", "Tea")
    assert (told["alert"], told["location"], told["camera"], told["agent"]) == ("alert-1", "A-02-1", "cam", "box")
    assert told["by"] == "tests: Wati"
    assert hall.client.get("/labels", params={"event": event}).json()["items"] == [told]
    (comment,) = hall.client.get("/alerts/alert-1/comments").json()["items"]
    assert (comment["by"], comment["text"]) == ("tests: Wati", "label: product: Tea (glare)")
    (entry,) = hall.client.get("/audit?action=label").json()["items"]
    assert (entry["subject"], entry["detail"]) == (event, "product: Tea (glare)")
    assert say(hall, event, "empty", id=id_).status_code == 409


def test_the_last_word_counts_and_the_others_stay(hall: Hall) -> None:
    event = hall.box.ids[29]
    for truth, more, corrected in (
        ("product", {"sku": "Lemon"}, "mismatch"),
        ("empty", {}, "empty"),
        ("foreign", {}, "unknown"),
        ("unusable", {}, None),
        ("withdrawn", {}, None),
    ):
        assert say(hall, event, truth, **more).json()["corrected"] == corrected
        (standing,) = hall.client.get("/labels").json()["items"]
        assert standing["truth"] == truth
    part = hall.client.get("/labels?which=all&limit=3").json()
    rest = hall.client.get("/labels", params={"which": "all", "cursor": part["next"]}).json()
    assert [one["truth"] for one in part["items"] + rest["items"]] == [
        "withdrawn",
        "unusable",
        "foreign",
        "empty",
        "product",
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"truth": "product"},
        {"truth": "product", "sku": "Empty"},
        {"truth": "empty", "sku": "Tea"},
        {"truth": "foreign", "name": "Tea front"},
        {"truth": "perhaps"},
        {"truth": "product", "sku": "a\x00b"},
    ],
)
def test_what_makes_no_sense_is_refused(hall: Hall, said: dict[str, str]) -> None:
    assert hall.client.post(f"/events/{hall.box.ids[29]}/label", json=said).status_code == 422
    assert hall.client.get("/labels?which=all").json()["items"] == []


def test_an_event_that_is_not_there_has_no_label(hall: Hall) -> None:
    assert say(hall, uuid7(), "empty").status_code == 404


def test_how_often_the_cameras_were_right(hall: Hall) -> None:
    assert hall.client.get("/precision").json() == {"items": []}
    say(hall, hall.box.ids[29], "product", sku="Tea")
    found = hall.client.get("/precision").json()["items"]
    (alert,) = [one for one in found if (one["claim"], one["by"]) == ("alert", "camera")]
    assert (alert["key"], alert["right"], alert["judged"], alert["low"]) == ("box/cam", 0, 1, 0)
    assert alert["high"] == pytest.approx(0.793, abs=0.001)
    for one in hall.client.get("/labels/drawn").json()["items"]:
        assert hall.client.get(f"/events/{one['event']}").json()["event"]["verdict"] == "match"


def test_only_who_may_teach_teaches(hall: Hall) -> None:
    with client_of(hall.console, "read", "act") as client:
        refused = client.post(f"/events/{hall.box.ids[29]}/label", json={"truth": "empty"})
        assert (refused.status_code, "'teach'" in refused.json()["detail"]) == (403, True)


def test_a_picture_that_somebody_labelled_outlives_the_others(hall: Hall) -> None:
    database = hall.console.database
    kept, taught, plain = (hall.box.ids[n] for n in (29, 5, 6))
    write(database, *(hall.box.picture("A-05-1", one) for one in (taught, plain)))
    say(hall, kept, "unusable")
    say(hall, taught, "product", sku="Lemon")
    with database.writing() as connection:
        connection.execute(update(pictures).values(received=present() - timedelta(days=30)))
    retention_of(database, RetentionLimits(events=1, picture_days=14)).round()
    with database.writing() as connection:
        _prune_pictures(connection, 0)
    with database.reading() as connection:
        left = connection.execute(select(pictures.c.event, pictures.c.file)).all()
    assert [row.event for row in left] == [taught], "kept for training, when its event is long gone"
    assert pictures_of(database).read(left[0].file) is not None
