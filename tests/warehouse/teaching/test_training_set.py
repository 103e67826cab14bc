"""What people said is a data set that train reads as it is: whole or not at all, and cartons hold together."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.verdicts import Verdict
from kardus.support.errors import DataError, UsageError
from tests.in_process import call
from tests.publishers import Publisher
from tests.warehouse.receiving.making import pictures_of
from tests.warehouse.teaching.judged import judge, say
from train.data.data_set import check_trainable, read_data
from train.data.splits import photo_groups, with_split
from warehouse.__main__ import main
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.teaching.training_set import carton_groups, export_training_set


def _fill(database: Database) -> None:
    box = Publisher()
    for _ in range(3):
        judge(database, box, "A-1", StatedTruth.PRODUCT, "Lemon")
    judge(database, box, "A-2", StatedTruth.PRODUCT, "Tea")
    judge(database, box, "A-3", StatedTruth.PRODUCT, "Lemon")
    judge(database, box, "A-4", StatedTruth.PRODUCT, "Tea")
    judge(database, box, "A-5", StatedTruth.EMPTY)
    judge(database, box, "A-6", StatedTruth.EMPTY)
    judge(database, box, "A-7", StatedTruth.FOREIGN)
    judge(database, box, "A-8", StatedTruth.UNUSABLE)
    judge(database, box, "A-9", StatedTruth.PRODUCT, "Tea", has_picture=False)
    say(database, judge(database, box, "B-1", StatedTruth.PRODUCT, "Milk"), StatedTruth.WITHDRAWN)


def test_train_reads_it_as_it_is(database: Database, tmp_path: Path) -> None:
    _fill(database)
    found = export_training_set(database, pictures_of(database), tmp_path / "set", None)
    assert (found.photos, found.strangers, found.faceless, found.without_picture) == (8, 1, 0, 1)
    data = read_data(tmp_path / "set")
    check_trainable(data)
    assert Counter(sample.name for sample in data.samples) == {"Lemon": 4, "Tea": 2, "empty": 2}
    assert data.proposals == ()
    assert all(sample.path.read_bytes().startswith(b"\xff\xd8") for sample in data.samples)
    assert len(list((tmp_path / "set" / "strangers").glob("*.jpg"))) == 1
    with_split(data, 0.4, 1)


def test_crops_of_one_carton_are_never_divided(database: Database, tmp_path: Path) -> None:
    _fill(database)
    export_training_set(database, pictures_of(database), tmp_path / "set", None)
    data = read_data(tmp_path / "set")
    lemons = [s.group for s in data.samples if s.name == "Lemon"]
    assert len(set(lemons[:3])) == 1
    assert lemons[3] != lemons[0]
    groups = photo_groups(data.samples)
    assert len({int(g) for g, s in zip(groups, data.samples, strict=True) if s.group == lemons[0]}) == 1


def test_beside_the_data_set_that_the_model_was_trained_on(database: Database, tmp_path: Path) -> None:
    _fill(database)
    judge(database, Publisher("other"), "C-1", StatedTruth.PRODUCT, "Soap", name="Soap side")
    judge(database, Publisher("third"), "C-2", StatedTruth.PRODUCT, "Soap")
    classes = tmp_path / "classes.csv"
    classes.write_text("name,category,sku\nTea,drinks,\nSoap front,care,Soap\nSoap side,care,Soap\nempty,empty,\n")
    found = export_training_set(database, pictures_of(database), tmp_path / "all" / "new", classes)
    assert (found.faceless, found.unlisted) == (1, ("Lemon",))
    old = tmp_path / "all" / "old"
    old.mkdir()
    (old / "classes.csv").write_bytes(classes.read_bytes())
    (old / "tea.jpg").write_bytes(next((tmp_path / "all" / "new" / "photos").glob("*.jpg")).read_bytes())
    (old / "labels.csv").write_text("path,name\ntea.jpg,Tea\n")
    data = read_data(tmp_path / "all")
    assert {info.name: info.category for info in data.classes} == {
        "Tea": "drinks",
        "Soap side": "care",
        "empty": "empty",
        "Lemon": "Lemon",
    }
    (left,) = data.proposals
    assert left.sku == "Soap"


def test_nothing_is_left_where_it_fails(database: Database, tmp_path: Path) -> None:
    store = pictures_of(database)
    with pytest.raises(DataError, match="no picture is labelled"):
        export_training_set(database, store, tmp_path / "set", None)
    event = judge(database, Publisher(), "A-1", StatedTruth.FOREIGN)
    with pytest.raises(DataError, match="no picture of a product"):
        export_training_set(database, store, tmp_path / "set", None)
    assert not (tmp_path / "set").exists()
    say(database, event, StatedTruth.PRODUCT, "Tea")
    with pytest.raises(UsageError, match="no such file"):
        export_training_set(database, store, tmp_path / "set", tmp_path / "none.csv")
    (tmp_path / "set").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        export_training_set(database, store, tmp_path / "set", None)
    assert list((tmp_path / "set").iterdir()) == []


def test_the_command(file_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fill(file_database)
    words = ("labels", "export", tmp_path / "set", "--database", tmp_path / "k.sqlite")
    shown = call(capsys, main, *words, columns=200)
    assert shown.stdout.splitlines() == [
        f"{tmp_path / 'set'}: 8 photos, 1 of what is none of our products",
        "1 labels have no picture: they are left out",
    ]
    assert read_data(tmp_path / "set").samples


LOOKS = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["Tea", "Lemon"]), st.integers(0, 5)), max_size=12
)


@given(looks=LOOKS)
def test_a_carton_is_a_run_of_the_same_at_one_place(looks: list[tuple[str, str, int]]) -> None:
    rows = [
        SimpleNamespace(
            number=number, event=str(number), agent="box", location=where, truth="product", sku=sku, captured=at
        )
        for number, (where, sku, at) in enumerate(looks)
    ]
    names = carton_groups(rows)
    for where in ("A", "B"):
        own = sorted((row.captured, row.number) for row in rows if row.location == where)
        for (_, one), (_, next_) in pairwise(own):
            assert (names[one] == names[next_]) == (rows[one].sku == rows[next_].sku)
    assert all(len({(rows[i].location, rows[i].sku) for i, n in enumerate(names) if n == name}) == 1 for name in names)


def test_doubts_teach_too(database: Database, tmp_path: Path) -> None:
    judge(database, Publisher(), "A-1", StatedTruth.PRODUCT, "Tea", verdict=Verdict.UNCERTAIN)
    assert export_training_set(database, pictures_of(database), tmp_path / "set", None).photos == 1


@pytest.mark.parametrize("name", ["TRUE", "Vero", "Jan-24", "2024-05-01", 'The "big" one'])
def test_a_product_whose_name_looks_like_a_date_or_a_truth_value_is_read_again(
    database: Database, tmp_path: Path, name: str
) -> None:
    for place in ("A-1", "A-2"):
        judge(database, Publisher(place), place, StatedTruth.PRODUCT, name)
    export_training_set(database, pictures_of(database), tmp_path / "set", None)
    assert {sample.name for sample in read_data(tmp_path / "set").samples} == {name}
