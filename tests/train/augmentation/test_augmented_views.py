"""What the network is shown: new looks, constant copies, growing crops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.augmentation.augment import cutmix
from train.augmentation.augmented_views import GROWTH_STEP_PX, CopiedViews, FreshViews, Photos, size_of, to_tensor
from train.augmentation.founding import founding_copies
from train.augmentation.synthetic_unknowns import false_colours
from train.config import TrainConfig, make_config


def _photos(count: int = 6, side_px: int = 46) -> Photos:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side_px, side_px, 3), dtype=np.uint8)
    return Photos(pixels, np.arange(count) % 3)


def _config(**changes: object) -> TrainConfig:
    return make_config(**({"size": 40, "first_size": 0} | changes))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_pictures_are_made_where_their_generator_is(device: str) -> None:
    generator = torch.Generator(device).manual_seed(0)
    views = FreshViews(_photos(), _config(outliers=0.5))
    copied = CopiedViews(_photos(side_px=40), np.array([[2, 0], [3, 7]]), seed=0)
    crops = views.crops(np.arange(6), 1, generator)
    made = (
        crops,
        views.clutter(5, 1, generator),
        copied.crops(np.array([0]), 1, generator),
        copied.clutter(1, 1, generator),
        *false_colours(crops, generator),
        cutmix(crops, torch.arange(6), 1.0, generator)[0],
    )
    assert {picture.device.type for picture in made} == {device}
    here = copied.crops(np.array([0, 1]), 1, _generator())
    assert (copied.crops(np.array([0, 1]), 1, generator).cpu() != here).float().mean() < 0.01


def test_a_photo_has_a_new_look_each_time() -> None:
    views = FreshViews(_photos(), _config())
    generator = _generator()
    first, second = (views.crops(np.array([1, 4]), 1, generator) for _ in range(2))
    assert first.shape == (2, 3, 40, 40)
    assert not torch.equal(first, second)
    assert torch.equal(first, views.crops(np.array([1, 4]), 1, _generator()))


def test_crops_grow_in_steps_to_their_full_size() -> None:
    config = _config(size=224, first_size=128, epochs=90)
    sizes = [size_of(epoch, config) for epoch in range(1, 91)]
    assert sizes[0] == 128
    assert sizes == sorted(sizes)
    assert set(sizes) == {128, 160, 192, 224}
    assert sizes[60:] == [224] * 30


@pytest.mark.parametrize("first_size", [0, 40, 64])
def test_crops_that_need_not_grow_have_their_size_from_the_start(first_size: int) -> None:
    assert {size_of(epoch, _config(first_size=first_size, epochs=9)) for epoch in range(1, 10)} == {40}


def test_clutter_is_drawn_once_and_looked_at_anew() -> None:
    views = FreshViews(_photos(), _config())
    first, second = (views.clutter(5, 1, _generator(seed)) for seed in (1, 2))
    assert first.shape == (5, 3, 40, 40)
    assert not torch.equal(first, second)
    assert torch.equal(first, FreshViews(_photos(), _config()).clutter(5, 1, _generator(1)))
    assert views.clutter(0, 1, _generator()).shape == (0, 3, 40, 40)


def test_copies_are_constant_and_those_of_their_own_numbers() -> None:
    photos = _photos(side_px=40)
    views = CopiedViews(photos, np.array([[0, 0], [0, 1], [5, 0]]), seed=3)
    assert views.labels.tolist() == [0, 0, 2]
    shown = [views.crops(np.array([1, 2]), epoch, _generator(epoch)) for epoch in (1, 2)]
    assert torch.equal(shown[0], shown[1])
    source = torch.from_numpy(photos.pixels[5:]).permute(0, 3, 1, 2)
    assert torch.equal(shown[0][1], founding_copies(source, torch.tensor([5]), torch.tensor([0]), 3)[0].float())
    assert views.clutter(4, 1, _generator()).shape == (0, 3, 40, 40)


def test_copies_in_memory_are_those_that_are_shown() -> None:
    views = CopiedViews(_photos(side_px=40), np.array([[2, 0], [3, 7]]), seed=0)
    kept = views.in_memory()
    assert kept.labels.tolist() == [2, 0]
    assert torch.equal(to_tensor(kept.pixels), views.crops(np.array([0, 1]), 1, _generator()))


def test_to_tensor_moves_channels_first_and_keeps_the_scale() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    tensor = to_tensor(pixels)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), pixels.transpose(0, 3, 1, 2))


@given(first_size=st.integers(0, 512), size=st.integers(32, 512), epochs=st.integers(1, 200))
def test_crops_of_any_first_size_grow_from_a_step_to_their_full_size(first_size: int, size: int, epochs: int) -> None:
    config = TrainConfig(first_size=first_size, size=size, epochs=epochs)
    sizes = [size_of(epoch, config) for epoch in range(1, epochs + 1)]
    assert sizes == sorted(sizes)
    assert min(sizes) >= min(size, GROWTH_STEP_PX)
    assert max(sizes) <= size


def test_no_clutter_has_the_size_of_the_epochs_crops() -> None:
    views = FreshViews(_photos(), _config(size=96, first_size=32, epochs=9))
    assert views.clutter(0, 1, _generator()).shape[1:] == views.crops(np.array([1]), 1, _generator()).shape[1:]
