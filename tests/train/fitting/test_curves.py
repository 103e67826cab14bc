"""The picture of loss and accuracy."""

from pathlib import Path

import numpy as np
from PIL import Image

from train.fitting.curves import draw_curves
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
