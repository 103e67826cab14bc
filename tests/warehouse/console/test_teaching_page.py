"""The page on which people say what pictures show: shown, said, undone, in both languages; and found by train."""

import json
from pathlib import Path

import pytest

from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from tests.publishers import Message, Publisher
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import pictures_of, write
from tests.warehouse.teaching.judged import judge
from train.data.data_set import read_data
from warehouse.console.identity.roles import Role
from warehouse.console.pages.words.label_comments import comment_words
from warehouse.store.labels import StatedTruth
from warehouse.teaching.training_set import export_training_set


def test_a_wrong_verdict_is_corrected_and_found_in_the_training_set(hall: Hall, tmp_path: Path) -> None:
    event = hall.box.ids[29]
    person = Browser(hall.console, Role.SUPERVISOR)
    shown = person.get("/teaching")
    assert f'action="/teaching/{event}"' in shown.text
    assert "A-02-1" in words_of(shown.text)
    picture = person.get(f"/teaching/{event}/picture")
    assert (picture.headers["content-type"], picture.content[:2]) == ("image/jpeg", b"\xff\xd8")
    id_ = uuid7()
    for _ in range(2):
        sent = person.post(f"/teaching/{event}", sku="Tea", id=id_)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/teaching?last={event}")
    (label,) = hall.client.get("/labels?which=all").json()["items"]
    assert (label["corrected"], label["by"]) == ("match", "a supervisor")
    assert hall.client.get("/audit?action=picture").json()["items"][0]["subject"] == event
    database = hall.console.database
    export_training_set(database, pictures_of(database), tmp_path / "set", None)
    (sample,) = read_data(tmp_path / "set").samples
    assert (sample.name, sample.path.read_bytes()) == ("Tea", picture.content)


SAID = {
    ("product", "Tea (mild)", ""): "Gambar menunjukkan: Tea (mild)",
    ("product", "Tea", "glare: <b>"): "Gambar menunjukkan: Tea (glare: &lt;b&gt;)",
    ("empty", "", ""): "Gambar menunjukkan bahwa tidak ada apa-apa di sana",
    ("foreign", "", "a bag"): "Gambar menunjukkan yang bukan produk kami (a bag)",
    ("unusable", "", ""): "Gambar tidak memastikan apa yang ada di sana",
    ("withdrawn", "", ""): "Yang dikatakan tentang gambar tidak berlaku lagi",
}


@pytest.mark.parametrize("said", SAID)
def test_what_was_said_of_a_picture_is_read_in_the_reader_s_language(hall: Hall, said: tuple[str, str, str]) -> None:
    truth, sku, note = said
    form = {"truth": truth, "note": note} | ({"sku": sku} if sku else {})
    assert hall.client.post(f"/events/{hall.box.ids[29]}/label", json=form).status_code == 201
    (comment,) = hall.client.get("/alerts/alert-1/comments").json()["items"]
    assert comment["text"].startswith(f"label: {truth}"), "programs read it as before"
    write(hall.console.database, hall.box.event("A-02-1", Verdict.MISMATCH, hall.alert), calling(hall))
    for page in ("/work", "/location?code=A-02-1"):
        assert SAID[said] in Browser(hall.console, Role.VIEWER, "id").get(page).text
        assert "label: " not in Browser(hall.console, Role.VIEWER).get(page).text


def calling(hall: Hall) -> Message:
    """The agent's state, with the alert that was commented on."""
    state = json.loads(hall.box.state("A-02-1", Verdict.MISMATCH, seen="Lemon")[1])
    state["data"]["alert"] = hall.alert.model_dump(mode="json")
    return hall.box.topics.state("A-02-1"), json.dumps(state).encode()


@pytest.mark.parametrize("text", ["label: ", "label: product", "label: product: ", "label: gone", "a label: empty", ""])
def test_what_people_write_themselves_stays_as_it_is(text: str) -> None:
    assert comment_words(text, lambda _: "translated") == text


def test_the_last_one_is_undone_and_asked_again(hall: Hall) -> None:
    event = hall.box.ids[29]
    person = Browser(hall.console, Role.SUPERVISOR)
    after = person.post(f"/teaching/{event}", truth="empty").headers["location"]
    shown = person.get(after)
    assert "Nothing is left to label." in shown.text
    assert 'data-key="u"' in shown.text
    assert person.post(f"/teaching/{event}", truth="withdrawn").headers["location"] == "/teaching"
    assert f'action="/teaching/{event}"' in person.get("/teaching").text


def test_likely_products_are_shown_with_what_somebody_said_shows_them(hall: Hall) -> None:
    example = judge(hall.console.database, Publisher("third"), "C-1", StatedTruth.PRODUCT, "Tea")
    shown = Browser(hall.console, Role.SUPERVISOR, "id").get("/teaching").text
    assert f'src="/teaching/{example}/picture"' in shown
    assert 'value="Tea" data-key="1"' in shown
    assert "Apa yang terlihat di gambar ini?" in shown
    assert '<option value="Tea">' in shown


@pytest.mark.parametrize(
    "form", [{}, {"truth": "perhaps"}, {"sku": "Empty"}, {"sku": "x" * 201}, {"truth": "empty", "id": "1"}]
)
def test_what_makes_no_sense_is_refused(hall: Hall, form: dict[str, str]) -> None:
    assert Browser(hall.console, Role.SUPERVISOR).post(f"/teaching/{hall.box.ids[29]}", **form).status_code == 422


def test_an_operator_does_not_teach_and_what_is_not_there_is_not_shown(hall: Hall) -> None:
    operator, supervisor = Browser(hall.console, Role.OPERATOR), Browser(hall.console, Role.SUPERVISOR)
    assert operator.post(f"/teaching/{hall.box.ids[29]}", truth="empty").status_code == 403
    assert operator.get("/teaching").status_code == 403
    for path in (f"/teaching/{uuid7()}", f"/teaching/{uuid7()}/picture", f"/teaching/{hall.box.ids[3]}/picture"):
        assert supervisor.get(path).status_code == 404
    assert "There is no picture: say" in supervisor.get(f"/teaching/{hall.box.ids[3]}").text
    assert supervisor.post(f"/teaching/{uuid7()}", truth="empty").status_code == 404
