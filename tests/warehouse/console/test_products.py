"""Photos of products and crops of cameras' pictures: where they come from, and what isn't one."""

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kardus.contract.commands import Reply
from kardus.support.errors import UsageError
from kardus.support.spelling import decomposed
from simulator.demo.play import DEMO_BUNDLE
from tests.publishers import jpeg
from warehouse.console.agents.asking import AgentAnswer, Unanswered
from warehouse.console.pages.content.products import ProductPhoto, Products, load_products
from warehouse.console.pages.content.snapshots import MAX_KEPT, CameraPicture, NoPicture, Snapshots, location_crop


def picture(path: Path, colour: str) -> None:
    """A photo of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (900, 600), colour).save(path)


def test_a_bundle_a_data_set_and_a_folder_give_a_photo_for_each_product(tmp_path: Path) -> None:
    bundle = load_products(DEMO_BUNDLE)
    assert all(one.photo and bundle.photo(one.photo) for one in bundle.all())
    assert bundle.family("Tea-Lemon") == "Tea"
    picture(tmp_path / "set" / "images" / "1.png", "red")
    (tmp_path / "set" / "labels.csv").write_text("path,name\nimages/1.png,Lemon\nimages/gone.png,Mint\n")
    (tmp_path / "set" / "classes.csv").write_text("class,name,category,sku,gtin\n0,Lemon,Tea,4711,04006381333931\n")
    known = load_products(tmp_path / "set").get("4711")
    assert known is not None
    assert (known.family, bool(known.photo), known.gtin) == ("Tea", True, "04006381333931")
    picture(tmp_path / "folder" / "4711.jpg", "blue")
    picture(tmp_path / "folder" / "4712" / "b.png", "green")
    found = load_products(tmp_path / "folder")
    assert [one.sku for one in found.all()] == ["4711", "4712"]
    small = found.photo(found.all()[0].photo)
    assert small is not None
    assert max(Image.open(io.BytesIO(small)).size) == 240
    assert load_products(None).get("4711") is None


def test_a_name_is_found_however_a_file_or_a_table_spells_it(tmp_path: Path) -> None:
    for folder in ("files", "folders", "set"):
        (tmp_path / folder).mkdir()
    picture(tmp_path / "files" / f"{decomposed('Café')}.png", "red")
    picture(tmp_path / "folders" / decomposed("Café") / "1.png", "red")
    picture(tmp_path / "set" / f"{decomposed('é')}.png", "red")
    (tmp_path / "set" / "labels.csv").write_text(f"path,name\né.png,{decomposed('Crème')}\n", encoding="utf-8")
    (tmp_path / "set" / "classes.csv").write_text("class,name,category,sku\n0,Crème,Tea,Café\n", encoding="utf-8")
    for folder in ("files", "folders", "set"):
        assert load_products(tmp_path / folder).address("Café"), folder


def test_a_table_of_photos_may_describe_its_classes_itself(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", "red")
    (tmp_path / "labels.csv").write_text("path,name,category,sku,gtin\na.png,Tea-front,Tea,4711,0400\n")
    (tmp_path / "classes.csv").write_text("class,name,category,sku,variant\n0,Tea-front,Drinks,1,mild\n")
    (one,) = load_products(tmp_path).all()
    assert (one.sku, one.family, one.gtin, bool(one.photo)) == ("4711", "Tea", "0400", True)


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_product_s_faces_each_says_what_the_others_lack(order: int) -> None:
    faces = [
        ProductPhoto("4711", "", Image.new("RGB", (9, 9))),
        ProductPhoto("4711", "Tea", None),
        ProductPhoto("4711", "", None, "0400"),
    ]
    found = Products()
    for one in faces[::order]:
        found.add(one)
    known = found.get("4711")
    assert known is not None
    assert (known.family, known.gtin, bool(known.photo)) == ("Tea", "0400", True)


def test_an_empty_location_is_no_product(tmp_path: Path) -> None:
    assert "empty" not in {one.sku for one in load_products(DEMO_BUNDLE).all()}
    for name in ("empty", "Empty", "4711"):
        picture(tmp_path / "folder" / name / "1.png", "red")
    picture(tmp_path / "set" / "1.png", "red")
    (tmp_path / "set" / "labels.csv").write_text("path,name\n1.png,EMPTY\n1.png,4711\n")
    for folder in ("folder", "set"):
        assert [one.sku for one in load_products(tmp_path / folder).all()] == ["4711"]


def test_what_is_no_photo_is_named(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "4711.jpg").write_bytes(b"no picture")
    for name, words in (("none", "no pictures"), ("bad", "4711.jpg"), ("missing", "there is none")):
        with pytest.raises(UsageError, match=words):
            load_products(tmp_path / name)


class Agents:
    """Answers as agents do, and counts how often they are asked."""

    def __init__(self, result: dict[str, Any] | None) -> None:
        """None: nobody answers."""
        self.result, self.asked = result, 0

    def ask(self, _: object) -> list[AgentAnswer]:
        """One question."""
        self.asked += 1
        return [
            Reply(command="snapshot", ok=True, result=self.result) if self.result is not None else Unanswered.SILENT
        ]


SQUARE = [[4.0, 4.0], [20.0, 4.0], [20.0, 20.0], [4.0, 20.0]]


def answer(**more: Any) -> dict[str, Any]:
    """A good one."""
    now = datetime.now(UTC).isoformat()
    return {"captured": now, "jpeg": base64.b64encode(jpeg()).decode(), "corners": {"A-1": [SQUARE]}, **more}


def test_a_camera_is_asked_once_for_everybody_who_looks() -> None:
    asked, kept = Agents(answer()), Snapshots()
    first, found = (kept.get(asked, "box", "cam") for _ in range(2))  # type: ignore[arg-type]  # asks as it does
    assert isinstance(found, CameraPicture)
    assert first is found
    assert asked.asked == 1
    assert found.size == (32, 24)
    crop = location_crop(found, "A-1")
    assert crop is not None
    assert Image.open(io.BytesIO(crop)).size == (18, 18)
    assert location_crop(found, "A-2") is None
    assert kept.get(None, "other", "cam") is NoPicture.NO_BROKER


def test_of_cameras_whose_names_are_invented_few_are_kept() -> None:
    kept = Snapshots()
    for number in range(MAX_KEPT * 2):
        kept.get(Agents(None), "box", f"cam-{number}")  # type: ignore[arg-type]  # as above
    assert len(kept._asked) == MAX_KEPT


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        answer(jpeg="?"),
        answer(jpeg=""),
        answer(captured="now"),
        answer(corners=[1]),
        answer(corners={"A": 1}),
    ],
)
def test_an_answer_that_can_t_be_read_is_no_picture(result: dict[str, Any] | None) -> None:
    asked, kept = Agents(result), Snapshots()
    for _ in range(2):
        found = kept.get(asked, "box", "cam")  # type: ignore[arg-type]  # asks as AgentQuestions does
        assert found is (NoPicture.SILENT if result is None else NoPicture.UNREADABLE)
    assert asked.asked == 1, "who gives nothing isn't asked at every look either"


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=4, max_size=4))
def test_corners_anywhere_give_a_crop_or_none(points: list[list[float]]) -> None:
    whole = CameraPicture(datetime.now(UTC), jpeg(), (32, 24), {"A-1": [points]})
    found = location_crop(whole, "A-1")
    assert found is None or max(Image.open(io.BytesIO(found)).size) <= 32
