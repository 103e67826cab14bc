"""Loss and accuracy over the epochs, as a picture and for TensorBoard."""

import math
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from train.fitting.curves import TENSORBOARD_FOLDER, TensorboardLog, draw_curves
from train.fitting.loop import Epoch


def _read(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG",)) as image:
        return np.asarray(image.convert("RGB"))


def test_curves_are_a_readable_png_that_shows_the_history(tmp_path: Path) -> None:
    falling = [Epoch(n, 9, 2.0 / n, 0.1 * n, 2.5 / n, 0.09 * n, 1.0) for n in range(1, 6)]
    flat = [Epoch(n, 9, 1.0, 0.5, 1.5, 0.4, 1.0) for n in range(1, 6)]
    draw_curves(falling, tmp_path / "falling.png")
    draw_curves(flat, tmp_path / "flat.png")
    picture = _read(tmp_path / "falling.png")
    assert picture.shape[1] > picture.shape[0] > 100
    assert not np.array_equal(picture, _read(tmp_path / "flat.png"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["falling.png", "flat.png"]


def test_curves_without_held_out_photos_are_drawn_too(tmp_path: Path) -> None:
    draw_curves([Epoch(1, 9, 2.0, 0.1, float("nan"), float("nan"), 1.0)], tmp_path / "curves.png")
    assert _read(tmp_path / "curves.png").size


def _told(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run / TENSORBOARD_FOLDER))
    events.Reload()
    return {tag: [(e.step, round(e.value, 4)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_curves_are_written_and_missing_figures_left_out(tmp_path: Path) -> None:
    board = TensorboardLog(tmp_path)
    board.write(Epoch(1, 9, 2.0, 0.5, math.nan, math.nan, 1.0))
    board.write(Epoch(2, 9, 1.0, 0.75, 1.5, 0.5, 1.0))
    board.close()
    told = _told(tmp_path)
    assert told["loss/training"] == [(1, 2.0), (2, 1.0)]
    assert told["loss/held out"] == [(2, 1.5)]
    assert told["accuracy/held out"] == [(2, 0.5)]


def test_a_run_that_goes_on_writes_its_curves_once(tmp_path: Path) -> None:
    for epochs in (1, 2):
        board = TensorboardLog(tmp_path)
        for number in range(1, epochs + 1):
            board.write(Epoch(number, 9, 2.0, 0.5, 1.0, 0.5, 1.0))
        board.close()
    assert _told(tmp_path)["loss/training"] == [(1, 2.0), (2, 2.0)]
