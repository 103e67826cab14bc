"""Augmentation: stays in range, repeats with its generator, and never changes the label unasked."""

from dataclasses import fields, replace

import pytest
import torch

from tests.train.noise import noise_photos, seeded
from train.augmentation.augment import Augmenter, cutmix


def _still(size_px: int) -> Augmenter:
    """An augmenter that changes as little as it can: zoom, aspect and warmth are still drawn."""
    changes = {field.name: 0.0 for field in fields(Augmenter) if field.name not in ("size_px", "smallest_zoom")}
    return Augmenter(size_px, smallest_zoom=1.0, **changes)


def test_result_has_the_networks_size_and_stays_in_range() -> None:
    crops = Augmenter(48)(noise_photos(), seeded())
    assert crops.shape == (6, 3, 48, 48)
    assert float(crops.min()) >= 0
    assert float(crops.max()) <= 255
    assert float(crops.std()) > 10


def test_same_generator_gives_the_same_crops_and_another_gives_others() -> None:
    torch.manual_seed(1)
    first = Augmenter(48)(noise_photos(), seeded(4))
    torch.manual_seed(2)
    assert torch.equal(first, Augmenter(48)(noise_photos(), seeded(4)))
    assert not torch.equal(first, Augmenter(48)(noise_photos(), seeded(5)))


def test_photos_given_are_left_as_they_are() -> None:
    photos = noise_photos()
    before = photos.clone()
    Augmenter(48)(photos, seeded())
    cutmix(photos, torch.arange(6), 1.0, seeded())
    assert torch.equal(photos, before)


def test_crops_of_one_photo_differ() -> None:
    crops = Augmenter(48)(noise_photos(1).expand(4, -1, -1, -1), seeded())
    assert len({round(float(crop.mean()), 3) for crop in crops}) == 4


def test_print_is_never_mirrored_or_turned_over() -> None:
    photo = torch.zeros(1, 3, 64, 64)
    photo[:, 0, :, :32] = 255  # red on the left
    photo[:, 2, 32:, :] = 255  # blue below
    crops = Augmenter(48, erase_probability=0)(photo.expand(32, -1, -1, -1), seeded())
    assert bool((crops[:, 0, :, :16].mean(dim=(1, 2)) > crops[:, 0, :, 32:].mean(dim=(1, 2))).all())
    assert bool((crops[:, 2, 32:].mean(dim=(1, 2)) > crops[:, 2, :16].mean(dim=(1, 2))).all())


def test_accent_colour_keeps_its_hue() -> None:
    colours = torch.tensor([[200.0, 60, 50], [60, 180, 60], [50, 70, 200]])
    photos = colours.repeat_interleave(8, dim=0)[:, :, None, None].expand(-1, -1, 40, 40)
    crops = Augmenter(32, erase_probability=0)(photos, seeded())
    assert crops.mean(dim=(2, 3)).argmax(dim=1).tolist() == [0] * 8 + [1] * 8 + [2] * 8


def test_with_everything_off_a_photo_is_hardly_changed() -> None:
    ramp = torch.linspace(40, 200, 48).view(1, 1, 1, 48).expand(4, 3, 48, 48)
    crops = _still(48)(ramp, seeded())
    assert float((crops - ramp).abs().mean()) < 15


def _spots(crop: torch.Tensor) -> int:
    """How many bright runs the rows of a crop (3, S, S) have at most."""
    bright = crop[0] > 60
    begins = bright[:, 1:] & ~bright[:, :-1]
    return int((begins.sum(dim=1) + bright[:, 0]).max())


def test_a_carton_side_by_side_is_shown_several_times_and_never_mirrored() -> None:
    photo = torch.zeros(1, 3, 64, 64)
    photo[:, 0, 20:44, 24:32] = 200.0  # red on the left of blue
    photo[:, 2, 20:44, 32:40] = 200.0
    still = _still(64)
    one = still(photo.expand(16, -1, -1, -1), seeded())
    several = replace(still, side_by_side=1.0)(photo.expand(16, -1, -1, -1), seeded())
    assert {_spots(crop) for crop in one} == {1}
    assert {_spots(crop) for crop in several} <= {1, 2, 3}
    assert sum(_spots(crop) > 1 for crop in several) > 12
    red, blue = several[:, 0, :, :-6], several[:, 2, :, 6:]
    assert float((red * blue).sum()) > 2 * float((several[:, 0, :, 6:] * several[:, 2, :, :-6]).sum())


def test_only_some_crops_show_it_side_by_side_and_none_unasked() -> None:
    photo = torch.zeros(64, 3, 64, 64)
    photo[:, 0, 20:44, 24:40] = 200.0
    some = sum(_spots(crop) > 1 for crop in replace(_still(64), side_by_side=0.5)(photo, seeded()))
    assert 12 < some < 48


def test_some_crops_are_blurred_and_the_others_left() -> None:
    stripes = (torch.arange(48) % 2 * 200.0).view(1, 1, 1, 48).expand(32, 3, 48, 48)
    blurred = Augmenter(48, blur_probability=0.5)._blur(stripes.clone(), seeded())
    contrast = blurred.std(dim=(1, 2, 3)) / stripes[0].std()
    assert 8 <= int((contrast < 0.6).sum()) <= 24
    assert int((contrast > 0.99).sum()) == 32 - int((contrast < 0.6).sum())
    assert torch.allclose(blurred.mean(dim=(1, 2, 3)), stripes.mean(dim=(1, 2, 3)), atol=2)
    assert torch.equal(Augmenter(48)._blur(stripes.clone(), seeded()), stripes)


def test_white_balance_is_shifted_by_as_much_as_is_asked() -> None:
    grey = torch.full((64, 3, 16, 16), 100.0)
    for most in (0.0, 0.3):
        crops = Augmenter(16, white_balance=most, brightness=0, contrast=0, saturation=0)._colour(
            grey.clone(), seeded()
        )
        red, _, blue = crops.mean(dim=(2, 3)).T / 100 - 1
        assert float(red.abs().max()) == pytest.approx(most, abs=0.03)
        assert torch.allclose(red, -blue, atol=1e-4)


def test_erasing_covers_one_box_with_one_colour() -> None:
    photos = torch.full((8, 3, 48, 48), 128.0)
    crops = Augmenter(48, erase_probability=1.0)._erase(photos, seeded())
    for crop in crops:
        covered = (crop != 128).any(dim=0)
        assert 0.003 < float(covered.float().mean()) < 0.15
        rows, columns = covered.any(dim=1), covered.any(dim=0)
        assert torch.equal(covered, rows[:, None] & columns[None])
        assert len(torch.unique(crop[:, covered], dim=1)[0]) == 1


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_share_and_labels_are_those_of_the_pixels(seed: int) -> None:
    labels = torch.arange(10)
    crops = labels.float().view(10, 1, 1, 1).expand(10, 3, 32, 32)
    mixed, others, kept = cutmix(crops, labels, 1.0, seeded(seed))
    assert 0.49 < kept <= 1
    for index in range(10):
        own, other = (mixed[index, 0] == labels[index]), (mixed[index, 0] == others[index])
        if others[index] != labels[index]:
            assert float(own.float().mean()) == pytest.approx(kept, abs=1e-6)
            assert float(other.float().mean()) == pytest.approx(1 - kept, abs=1e-6)
    assert int((others != labels).sum()) >= 5


def test_cutmix_of_probability_0_changes_nothing() -> None:
    crops, labels = noise_photos(), torch.arange(6)
    mixed, others, kept = cutmix(crops, labels, 0.0, seeded())
    assert torch.equal(mixed, crops)
    assert torch.equal(others, labels)
    assert kept == 1
