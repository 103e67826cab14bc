"""The embedding's space: known classes lie near their means, strange things far from all."""

import numpy as np
import pytest
import torch
from torch import Tensor

from kardus.inference.classification import class_means, rejection_scores
from train.evaluation.metrics import auroc
from train.networks.whitening import WITHIN_DIRECTIONS, Whitening, shrinkage

CHANNELS, CLASSES = 40, 5


def _features(count: int, seed: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Features of classes that differ little in directions of little noise; `shift` moves them in such a direction."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    noise = rng.normal(size=(count, CHANNELS)) * np.concatenate([np.full(20, 1.0), np.full(20, 0.05)])
    means = np.zeros((CLASSES, CHANNELS))
    means[np.arange(CLASSES), 20 + np.arange(CLASSES)] = 1.0
    features = 3 + means[labels] + noise
    features[:, 39] += shift
    return torch.from_numpy(features).float(), torch.from_numpy(labels)


def _fitted() -> Whitening:
    space = Whitening(CHANNELS, CLASSES)
    space.fit(*_features(400, 0))
    return space


def test_photos_of_one_class_differ_evenly_in_every_direction() -> None:
    space = _fitted()
    features, labels = _features(400, 1)
    embedding = space(features)[:, :-1]
    within = torch.cat([embedding[labels == c] - embedding[labels == c].mean(dim=0) for c in range(CLASSES)])
    spread = within.std(dim=0)
    assert float(spread.max() / spread.min()) < 6  # the raw features: 20


def test_the_distance_tells_strange_things_that_the_raw_features_do_not() -> None:
    space = _fitted()
    trained, labels = _features(400, 0)
    prototypes = class_means(space(trained).numpy(), labels.numpy(), CLASSES)
    known, strange = (space(_features(300, seed, shift)[0]).numpy() for seed, shift in ((2, 0.0), (3, 1.5)))
    logits = np.zeros((300, CLASSES), np.float32)
    scores = [rejection_scores("distance", logits, e, prototypes).astype(float) for e in (known, strange)]
    assert auroc(*scores) > 0.99
    raw = class_means(trained.numpy(), labels.numpy(), CLASSES)
    plain = [
        rejection_scores("distance", logits, _features(300, seed, shift)[0].numpy(), raw).astype(float)
        for seed, shift in ((2, 0.0), (3, 1.5))
    ]
    assert auroc(*plain) < 0.75


def test_weights_are_loaded_to_where_the_network_is() -> None:
    """A run that goes on on a GPU fits its space there; a number format stands for a device that a test may lack."""
    kept = _fitted().state_dict()
    loaded = Whitening(CHANNELS, CLASSES + 1).to(torch.float64)
    loaded.directions, loaded.mixing = loaded.directions[:, :3], loaded.mixing[:3, :3]
    loaded.load_state_dict(kept)
    assert loaded.directions.dtype is loaded.mixing.dtype is torch.float64
    assert loaded.directions.shape == kept["directions"].shape


def test_the_last_number_is_the_distance_from_the_kept_directions() -> None:
    space = Whitening(300, 3)
    features = torch.randn(30, 300, generator=torch.Generator().manual_seed(0))
    space.fit(features, torch.arange(30) % 3)
    assert space(features).shape == (30, 2 + WITHIN_DIRECTIONS + 1)
    assert float(space(features)[:, -1].abs().max()) < 1e-2 * float(space(torch.randn(30, 300))[:, -1].min())


@pytest.mark.parametrize(("count", "classes"), [(2, 2), (3, 2), (6, 3)])
def test_a_few_photos_are_enough_to_be_fitted(count: int, classes: int) -> None:
    space = Whitening(CHANNELS, classes)
    features = torch.rand(count, CHANNELS)
    space.fit(features, torch.arange(count) % classes)
    assert bool(torch.isfinite(space(features)).all())


def test_photos_that_are_all_the_same_are_no_trouble() -> None:
    space = Whitening(CHANNELS, 2)
    features = torch.ones(8, CHANNELS)
    space.fit(features, torch.arange(8) % 2)
    assert bool(torch.isfinite(space(features)).all())


def test_the_space_is_kept_with_the_weights() -> None:
    space, other = _fitted(), Whitening(CHANNELS, CLASSES)
    other.load_state_dict(space.state_dict())
    features, _ = _features(10, 4)
    assert torch.equal(space(features), other(features))


def test_a_space_of_fewer_directions_is_loaded_as_it_was() -> None:
    former = _fitted()
    former.directions, former.mixing = former.directions[:, :7], former.mixing[:7, :7]
    features, _ = _features(10, 1)
    space = Whitening(CHANNELS, CLASSES)
    space.load_state_dict(former.state_dict())
    assert torch.equal(space(features), former(features))
    with pytest.raises(RuntimeError, match="size mismatch"):
        Whitening(CHANNELS + 1, CLASSES).load_state_dict(former.state_dict())


def test_the_spread_of_few_photos_is_trusted_less() -> None:
    weights = [shrinkage(1280, freedom) for freedom in (1, 500, 100_000)]
    assert weights == sorted(weights, reverse=True)
    assert weights == pytest.approx([0.9992, 0.7191, 0.0126], abs=1e-4)
