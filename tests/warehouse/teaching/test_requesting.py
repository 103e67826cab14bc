"""A request has the crops that people have said to be of a product, and the desk takes it as it is."""

from pathlib import Path

import pytest

from export.answering import read_request
from kardus.support.errors import DataError, UsageError
from tests.in_process import call
from tests.publishers import Publisher
from tests.warehouse.receiving.making import pictures_of
from tests.warehouse.teaching.judged import judge, say
from warehouse.__main__ import main
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.teaching.requesting import request_enrolment


def test_the_desk_reads_what_people_said_to_be_of_the_product(database: Database, tmp_path: Path) -> None:
    box = Publisher()
    own = [judge(database, box, f"A-{n}", StatedTruth.PRODUCT, "Milk") for n in range(3)]
    judge(database, box, "B-1", StatedTruth.PRODUCT, "Tea")
    judge(database, box, "B-2", StatedTruth.PRODUCT, "Milk", has_picture=False)
    taken_back = judge(database, box, "B-3", StatedTruth.PRODUCT, "Milk")
    say(database, taken_back, StatedTruth.WITHDRAWN)
    made = request_enrolment(database, pictures_of(database), tmp_path / "asked", "Milk", name="Milk front")
    assert read_request(tmp_path / "asked") == made
    assert [photo.event for photo in made.photos] == own[::-1]
    assert (made.sku, made.name, made.by) == ("Milk", "Milk front", "Wati")
    chosen = request_enrolment(database, pictures_of(database), tmp_path / "one", "Milk", events=[own[1]])
    assert ([photo.event for photo in chosen.photos], chosen.name) == ([own[1]], "Milk")
    with pytest.raises(UsageError, match="nobody has said that it shows 'Milk'"):
        request_enrolment(database, pictures_of(database), tmp_path / "no", "Milk", events=[own[0], taken_back])
    with pytest.raises(DataError, match="no picture is labelled as 'Juice'"):
        request_enrolment(database, pictures_of(database), tmp_path / "no", "Juice")
    assert not (tmp_path / "no").exists()


def test_the_command_makes_it(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge(database, Publisher(), "A-1", StatedTruth.PRODUCT, "Milk")
    where = str(database.address)
    found = call(capsys, main, "labels", "request", tmp_path / "asked", "--database", where, "--sku", "Milk")
    assert (found.returncode, "1 photos of 'Milk'" in found.stdout) == (0, True)
    assert "5 photos or more are better" in found.stderr
    again = call(capsys, main, "labels", "request", tmp_path / "asked", "--database", where, "--sku", "Milk")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
