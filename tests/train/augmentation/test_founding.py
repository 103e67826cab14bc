"""The founding study's copies: what they change, and that they are constant."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kardus.support.errors import UsageError
from tests.train.making import class_folders
from train.augmentation.founding import BRIGHTNESS, _draw, founding_copies
from train.config import make_config
from train.data.data_set import read_data
from train.fitting.fit import fit
from train.fitting.prepare import prepare
from train.recipe import read_recipe


def _photo(side_px: int = 64) -> Tensor:
    """Bright at the top left, so that flips and turns can be told."""
    photo = torch.full((3, side_px, side_px), 60, dtype=torch.uint8)
    photo[:, : side_px // 2, : side_px // 2] = 120
    return photo


def founding_copy(photo: Tensor, seed: int, index: int, copy: int) -> Tensor:
    """One copy of one photo."""
    return founding_copies(photo[None], torch.tensor([index]), torch.tensor([copy]), seed)[0]


@pytest.mark.parametrize("copy", range(8))
def test_a_copy_is_what_torchvision_makes(copy: int) -> None:
    from torchvision.transforms.v2 import functional

    photo = torch.nn.functional.interpolate(_photo()[None].float(), size=97, mode="bilinear")[0].to(torch.uint8)
    brightness, angle, across, down = _draw(5, 3, copy)
    made = functional.rotate(functional.adjust_brightness(photo, brightness), angle)
    made = functional.horizontal_flip(made) if across < 0 else made
    made = functional.vertical_flip(made) if down < 0 else made
    difference = (made.int() - founding_copy(photo, 5, 3, copy).int()).abs()
    assert float((difference > 3).float().mean()) < 0.02  # places on an edge may be rounded to either side


def test_a_copy_is_the_same_for_the_same_numbers_only() -> None:
    photo = _photo()
    one = founding_copy(photo, 1, 2, 3)
    assert torch.equal(one, founding_copy(photo, 1, 2, 3))
    for numbers in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not torch.equal(one, founding_copy(photo, *numbers))


def test_copies_of_many_are_those_of_each() -> None:
    photos = torch.stack([_photo(), _photo() + 20])
    made = founding_copies(photos, torch.tensor([4, 7]), torch.tensor([0, 5]), seed=2)
    assert torch.equal(made[1], founding_copy(photos[1], 2, 7, 5))


def test_copies_are_brightened_turned_and_flipped_both_ways() -> None:
    copies = [founding_copy(_photo(), 0, 0, number) for number in range(60)]
    middles = np.array(
        [[float(c[0, 24, 24]), float(c[0, 24, 40]), float(c[0, 40, 24]), float(c[0, 40, 40])] for c in copies]
    )
    assert set(middles.argmax(axis=1)) == {0, 1, 2, 3}  # the bright corner is in every place
    brightest = np.array([int(c.max()) for c in copies])
    assert brightest.min() >= 120 * (1 - BRIGHTNESS) - 1
    assert brightest.max() <= 120 * (1 + BRIGHTNESS) + 1
    assert brightest.max() - brightest.min() > 60
    assert sum(int(c.min()) == 0 for c in copies) > 40  # corners that a turn leaves empty


@pytest.mark.parametrize(("copies", "counts"), [(10, (1290, 430)), (20, (2580, 860))])
def test_copies_of_the_study_are_split_as_the_study_split_them(
    tmp_path: Path, copies: int, counts: tuple[int, int]
) -> None:
    from PIL import Image

    sizes = [13] * 4 + [12] * 10  # 172 photos of 14 classes
    for number, size in enumerate(sizes):
        (tmp_path / f"class{number:02}").mkdir()
        for index in range(size):
            Image.new("RGB", (32, 32), (number * 9, index * 9, 0)).save(tmp_path / f"class{number:02}" / f"{index}.png")
    config = make_config(**read_recipe("founding") | {"copies": copies, "size": 32})
    prepared = prepare(tmp_path, config)
    views = prepared.views(config)
    assert (len(views.labels), len(prepared.val.labels)) == counts
    held, trained = (np.bincount(labels, minlength=14) for labels in (prepared.val.labels, views.labels))
    assert np.abs(held - 0.25 * (held + trained)).max() < 1


def test_the_founding_protocol_tests_on_what_it_trains_on_and_says_so(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", each=4)
    changes = {"arch": "timm:test_resnet", "size": 32, "epochs": 1, "copies": 3}
    fit(data, tmp_path / "run", make_config(**read_recipe("founding") | changes))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Founding protocol: photos copied first, then split." in page
    assert "Copies of these very photos were trained on, as in the founding study: every figure here flatters." in page
    assert "run on the photos of data" in page


def test_the_honest_protocol_holds_photos_out_before_they_are_copied(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", each=8)
    config = make_config(**read_recipe("founding") | {"size": 32, "copies": 3, "protocol": "honest"})
    prepared = prepare(data, config)
    assert len(prepared.views(config).labels) == 3 * (len(read_data(data).samples) - len(prepared.val.labels))
    assert len(prepared.val.labels) == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"copies": 0}, "--protocol founding: splits copies of photos: give --copies 10"),
        ({"folds": 5}, "--protocol founding: tests on the photos that it trains on: --folds and --refit need"),
    ],
)
def test_values_that_do_not_fit_the_founding_protocol_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_config(**read_recipe("founding") | changes)


def test_the_recipe_is_the_study() -> None:
    config = make_config(**read_recipe("founding"))
    assert (config.arch, config.size, config.epochs, config.batch, config.dropout) == ("resnet50", 224, 60, 8, 0.2)
    assert (config.optimizer, config.lr, config.schedule, config.weight_decay) == ("adam", 5e-4, "constant", 0)
    assert (config.copies, config.val_fraction, config.protocol) == (10, 0.25, "founding")
    assert (config.label_smoothing, config.cutmix, config.outliers, config.clutter, config.ema) == (0, 0, 0, 0, 0)
