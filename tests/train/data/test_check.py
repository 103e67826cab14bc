"""Each thing that can be wrong with a data set is found, and a sound one is left in peace."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.inference.srgb import CMYK, UNFIT_PROFILE
from simulator.dataset import write_dataset
from tests.in_process import assert_one_line, call
from tests.pictures import DISPLAY_P3
from tests.train.making import plain_photo, write_table
from train.__main__ import main
from train.data.check import DataReport, Severity, check_data
from train.data.data_set import read_data
from train.data.separability import mean_colours, separability

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 classes of 11 photos each, as they come from the drawing."""
    folder = tmp_path_factory.mktemp("check") / "photos"
    write_dataset(folder, seed=4, train=9, val=2, side_px=160)
    return folder


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


def _add(photos: Path, name: str, file: Path, split: str = "train") -> None:
    with (photos / "labels.csv").open("a") as table:
        table.write(f"{file.relative_to(photos)},{name},{split}\n")


def _found(folder: Path) -> DataReport:
    return check_data(read_data(folder, photos_must_exist=False))


def _lines(checked: DataReport, weight: Severity) -> list[str]:
    return [f"{finding.what}: {finding.remedy}" for finding in checked.findings if finding.weight == weight]


def test_a_sound_data_set_has_nothing_to_mend(drawn: Path) -> None:
    checked = _found(drawn)
    assert checked.sound
    assert checked.readable == len(checked.data.samples) == 165
    assert _lines(checked, Severity.ERROR) == _lines(checked, Severity.WARNING) == []


def test_unreadable_and_missing_photos_are_all_named(photos: Path) -> None:
    (photos / "images" / "empty" / "train_0000.jpg").write_bytes(b"no photo")
    (photos / "images" / "empty" / "train_0001.jpg").unlink()
    errors = _lines(_found(photos), Severity.ERROR)
    assert len(errors) == 2
    assert any("train_0000.jpg: not a readable picture" in line for line in errors)
    assert any("train_0001.jpg: no such picture" in line for line in errors)


def test_a_class_with_few_photos_or_one_is_named(photos: Path) -> None:
    lines = (photos / "labels.csv").read_text().splitlines()
    kept = [line for line in lines if ",Tea-Lemon," not in line and ",Tea-Peach," not in line]
    kept += [line for line in lines if ",Tea-Lemon," in line][:1] + [line for line in lines if ",Tea-Peach," in line][
        :4
    ]
    (photos / "labels.csv").write_text("\n".join(kept) + "\n")
    checked = _found(photos)
    assert _lines(checked, Severity.ERROR) == ["class 'Tea-Lemon' has one photo: add photos, or remove the class"]
    assert "class 'Tea-Peach' has 4 photos: add photos: 10 to 30 are advised" in _lines(checked, Severity.WARNING)
    assert any("11 photos and class 'Tea-Lemon' has 1:" in line for line in _lines(checked, Severity.WARNING))


def test_the_same_photo_under_two_labels_and_in_two_splits_is_an_error(photos: Path) -> None:
    source = photos / "images" / "Tea-Lemon" / "train_0003.jpg"
    for name, split in (("Milk-Low-Fat", "train"), ("Tea-Lemon", "val")):
        copy = photos / "images" / name / f"copy_{split}.jpg"
        shutil.copy(source, copy)
        _add(photos, name, copy, split)
    errors = _lines(_found(photos), Severity.ERROR)
    assert "the same photo under two labels: 'Tea-Lemon' and 'Milk-Low-Fat': keep it under the right one" in errors
    assert any(line.startswith("the same photo in two splits of class 'Tea-Lemon'") for line in errors)


def test_a_burst_is_noted_and_nearly_the_same_photo_in_two_splits_is_an_error(photos: Path) -> None:
    with Image.open(photos / "images" / "Tea-Lemon" / "train_0003.jpg") as image:
        for number, split in enumerate(("train", "train", "val")):
            file = photos / "images" / "Tea-Lemon" / f"burst_{number}.jpg"
            image.rotate(0.3 * number + 0.2).save(file, quality=70)
            _add(photos, "Tea-Lemon", file, split)
    checked = _found(photos)
    assert any("nearly the same photo in two splits" in line for line in _lines(checked, Severity.ERROR))
    assert any("4 photos belong to 1 bursts" in line for line in _lines(checked, Severity.NOTE))


def test_small_and_oddly_shaped_photos_are_named(photos: Path) -> None:
    for name, size in (("small", (60, 60)), ("wide", (900, 200))):
        file = photos / "images" / "empty" / f"{name}.png"
        noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(file)
        _add(photos, "empty", file)
    warnings = _lines(_found(photos), Severity.WARNING)
    assert any(line.startswith("1 photos are smaller than 128 px, such as 60 x 60") for line in warnings)
    assert any(line.startswith("1 photos have another shape than most, such as 900 x 200") for line in warnings)


def test_what_reading_converts_is_said_and_what_it_cannot_is_a_warning(photos: Path) -> None:
    files = sorted((photos / "images" / "Tea-Lemon").glob("*.jpg"))
    for file, profile in zip(files, (DISPLAY_P3, DISPLAY_P3, b"no profile"), strict=False):
        with Image.open(file) as image:
            image.load()
        image.save(file, icc_profile=profile)
    with Image.open(files[3]) as image:
        image.convert("CMYK").save(files[3])
    checked = _found(photos)
    notes, warnings = _lines(checked, Severity.NOTE), _lines(checked, Severity.WARNING)
    assert "2 photos: colours of 'Display P3' are brought to sRGB: nothing: it is done wherever they are read" in notes
    assert any(line.startswith(f"1 photos: {CMYK}") for line in notes)
    assert f"1 photos: {UNFIT_PROFILE}: save them again as sRGB" in warnings


def test_sides_without_a_mark_are_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = []
    for name, colour in (("a-side", 120), ("b-side", 120), ("c", 30)):
        for number in range(12):
            pixels = rng.normal(colour, 30, (150, 150, 3)).clip(0, 255).astype(np.uint8)
            if name == "c":
                pixels[:70] = 220
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
            rows.append((f"{name}/{number}.png", name))
    write_table(tmp_path / "labels.csv", ("path", "name"), *rows)
    notes = _lines(_found(tmp_path), Severity.NOTE)
    assert len(notes) == 1
    assert notes[0].startswith("classes 'a-side' and 'b-side' look alike:")


def test_separability_is_chance_for_the_same_and_one_for_opposites() -> None:
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8)
    looks = mean_colours(crops)
    assert 0.2 < separability(looks[:30], looks[30:]) < 0.8
    light, dark = crops.copy(), crops.copy()
    light[:, :32] //= 4
    dark[:, 32:] //= 4
    assert separability(mean_colours(light), mean_colours(dark)) == 1


def test_the_command_shows_a_table_a_page_and_json(photos: Path, tmp_path: Path, capsys: Capture) -> None:
    (photos / "images" / "empty" / "train_0000.jpg").write_bytes(b"no photo")
    page = tmp_path / "check.html"
    result = call(capsys, main, "check-data", photos, "--html", page)
    assert result.returncode == 1
    assert "165 photos of 15 classes: mend what is marked error" in result.stdout
    text = page.read_text()
    assert "not a readable picture" in text
    assert text.count('<img src="data:image/jpeg;base64,') >= 1
    assert "http" not in text
    found = json.loads(call(capsys, main, "check-data", photos, "--json").stdout)
    assert (found["photos"], found["readable"], found["findings"][0]["weight"]) == (165, 164, "error")


def test_a_sound_data_set_is_exit_code_0_and_a_folder_as_page_is_refused(drawn: Path, capsys: Capture) -> None:
    assert call(capsys, main, "check-data", drawn).returncode == 0
    assert_one_line(call(capsys, main, "check-data", drawn, "--html", drawn), 2, "--html", "is a folder")


def test_one_class_alone_is_an_error(tmp_path: Path) -> None:
    for number in range(3):
        plain_photo(tmp_path / "only" / f"{number}.png", (number * 40, 9, 9), 140)
    assert "there is only one class: a classifier needs two or more" in _lines(_found(tmp_path), Severity.ERROR)
