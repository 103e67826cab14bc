"""The desk answers a request: what it enrols is what was sent, and the answer never tells of what isn't there."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from export.__main__ import main
from export.keys import make_key
from kardus.contract.enrolment import ANSWER, REQUEST, EnrolmentAnswer
from kardus.inference.bundle import read_bundle
from kardus.support.identifiers import uuid7
from tests.export.colours import colour_bundle, photo
from tests.in_process import call

Capture = pytest.CaptureFixture[str]
YELLOW = (225, 205, 40)


def _request(folder: Path, count: int = 5, **changes: Any) -> Path:
    (folder / "photos").mkdir(parents=True)
    photos = []
    for number in range(1, count + 1):
        name = f"photos/{number}.jpg"
        content = photo(folder / f"{number}.png", YELLOW, number).read_bytes()
        (folder / f"{number}.png").unlink()
        (folder / name).write_bytes(content)
        photos.append({"file": name, "sha256": hashlib.sha256(content).hexdigest(), "event": "e"})
    said = {"id": uuid7(), "name": "yellow", "sku": "Y-1", "made": "2026-03-04T12:00:00Z", "photos": photos}
    (folder / REQUEST).write_text(json.dumps(said | changes))
    return folder


def test_a_request_becomes_a_signed_bundle_and_an_answer(tmp_path: Path, capsys: Capture) -> None:
    bundle, folder = colour_bundle(tmp_path / "colours.bundle"), _request(tmp_path / "asked")
    make_key(tmp_path, "desk")
    found = call(capsys, main, "answer", folder, bundle, "--sign", tmp_path / "desk.key")
    assert (found.returncode, found.stderr) == (0, "")
    answer = EnrolmentAnswer.model_validate_json((folder / ANSWER).read_bytes())
    content = (folder / answer.file).read_bytes()
    assert (answer.size, answer.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    new = read_bundle(folder / answer.file)
    assert (new.manifest.classes[-1].sku, new.manifest.version) == ("Y-1", answer.version)
    assert new.signed_by
    assert answer.warnings == ()
    again = call(capsys, main, "answer", folder, bundle)
    assert (again.returncode, "is answered already" in again.stderr) == (2, True)


def test_few_photos_are_a_warning(tmp_path: Path, capsys: Capture) -> None:
    folder = _request(tmp_path / "asked", 1)
    assert call(capsys, main, "answer", folder, colour_bundle(tmp_path / "c.bundle")).returncode == 0
    assert "only 1 photos" in json.loads((folder / ANSWER).read_text())["warnings"][0]


@pytest.mark.parametrize(
    ("harm", "code", "words"),
    [
        ({"name": "red"}, 2, "--name 'red'"),
        ({"photos": []}, 1, "photos"),
        ({"photos": [{"file": "../x.jpg", "sha256": "0" * 64, "event": "e"}]}, 1, "photos.0.file"),
        ({"photos": [{"file": "photos/9.jpg", "sha256": "0" * 64, "event": "e"}]}, 1, "copy the whole folder"),
        ({"photos": [{"file": "photos/1.jpg", "sha256": "0" * 64, "event": "e"}]}, 1, "isn't the photo that was sent"),
        ({"schema_version": 2}, 1, "schema_version"),
    ],
)
def test_what_cannot_be_answered_leaves_nothing(
    tmp_path: Path, capsys: Capture, harm: dict[str, Any], code: int, words: str
) -> None:
    folder = _request(tmp_path / "asked", **harm)
    before = sorted(folder.rglob("*"))
    found = call(capsys, main, "answer", folder, colour_bundle(tmp_path / "c.bundle"))
    assert found.returncode == code
    assert (words in found.stderr, found.stderr.count("\n")) == (True, 1)
    assert sorted(folder.rglob("*")) == before
