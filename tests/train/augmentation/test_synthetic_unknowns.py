"""What is made to be doubted: false colours and heaps."""

import torch
from torch import Tensor

from tests.train.noise import noise_photos, seeded
from train.augmentation.synthetic_unknowns import dead_leaves, false_colours


def _luma(crops: Tensor) -> Tensor:
    return (crops * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1)


def test_false_colours_keep_the_luma_and_change_the_chroma() -> None:
    crops = 110 + 30 * torch.rand((16, 3, 40, 40), generator=seeded(3))
    strange, _ = false_colours(crops, seeded())
    assert strange.shape == crops.shape
    assert float((_luma(strange) - _luma(crops)).abs().max()) < 1
    changed = ((strange - crops).abs().sum(dim=1) > 1).float().mean(dim=(1, 2))
    assert float(changed.min()) > 0.3


def test_false_colours_change_whole_rows_and_some_crops_entirely() -> None:
    crops = torch.tensor([180.0, 90, 90]).view(1, 3, 1, 1).expand(32, 3, 40, 40)
    changed = (false_colours(crops, seeded())[0] - crops).abs().sum(dim=1) > 5
    assert torch.equal(changed.any(dim=2), changed.all(dim=2))
    assert 0 < int(changed.all(dim=2).all(dim=1).sum()) < 32


def test_false_colours_stay_in_range_and_repeat_with_the_generator() -> None:
    strange, weights = false_colours(noise_photos(), seeded(2))
    assert float(strange.min()) >= 0
    assert float(strange.max()) <= 255
    again, same = false_colours(noise_photos(), seeded(2))
    assert torch.equal(strange, again)
    assert torch.equal(weights, same)


def test_false_colours_of_grey_crops_weigh_nothing_and_of_colourful_ones_all() -> None:
    grey = torch.full((8, 3, 20, 20), 120.0)
    red = torch.tensor([220.0, 20, 20]).view(1, 3, 1, 1).expand(8, 3, 20, 20)
    weights = false_colours(torch.cat([grey, red]), seeded())[1]
    assert weights.shape == (16,)
    assert weights[:8].tolist() == [0] * 8
    assert float(weights[8:].min()) > 0.9
    assert float(weights.max()) <= 1


def test_no_false_colours_of_no_crops() -> None:
    strange, weights = false_colours(torch.zeros(0, 3, 16, 16), seeded())
    assert strange.shape == (0, 3, 16, 16)
    assert weights.shape == (0,)


def test_heaps_cover_most_of_their_pictures_and_leave_these_as_they_are() -> None:
    photos = torch.full((8, 3, 48, 48), 100.0)
    made = dead_leaves(photos, seeded())
    assert made.shape == photos.shape
    assert bool((photos == 100).all())
    assert 0 <= float(made.min()) < float(made.max()) <= 255
    assert float(((made - photos).abs().sum(dim=1) > 5).float().mean()) > 0.6


def test_heaps_repeat_with_their_generator_and_are_otherwise_different() -> None:
    photos = noise_photos()
    assert torch.equal(dead_leaves(photos, seeded(1)), dead_leaves(photos, seeded(1)))
    assert not torch.equal(dead_leaves(photos, seeded(1)), dead_leaves(photos, seeded(2)))


def test_heaps_hold_no_photo_any_more() -> None:
    photos = torch.nn.functional.interpolate(
        noise_photos(8, 6), size=(48, 48), mode="bilinear"
    )  # smooth, all different
    centred = [x.flatten(1) - x.flatten(1).mean(dim=1, keepdim=True) for x in (photos, dead_leaves(photos, seeded()))]
    alike = (centred[0] * centred[1]).sum(dim=1) / (centred[0].norm(dim=1) * centred[1].norm(dim=1))
    assert float(alike.abs().mean()) < 0.4
