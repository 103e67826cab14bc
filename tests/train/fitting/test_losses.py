"""What training minimises: the terms of the loss and their weights, against values that are computed by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from train.config import make_config
from train.fitting.losses import Objective

SIDE_PX = 8
SURE = 5.0


class _Fixed(nn.Module):
    """Answers each crop with (its mean brightness, 0): crops of SURE are named class 0 with certainty."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, crops: Tensor) -> Tensor:
        level = crops.mean(dim=(1, 2, 3))
        return torch.stack([level, torch.zeros_like(level)], dim=1)


def _crops(count: int, level: float) -> Tensor:
    return torch.full((count, 3, SIDE_PX, SIDE_PX), level)


def _loss(clutter: Tensor, **changes: object) -> float:
    config = make_config(label_smoothing=0, **changes)
    labels = torch.zeros(4, dtype=torch.long)
    loss, logits = Objective(config)(_Fixed(), _crops(4, SURE), labels, clutter, torch.Generator())
    assert logits.shape == (4, 2)
    return float(loss)


def test_without_synthetic_unknowns_the_loss_is_cross_entropy() -> None:
    assert _loss(_crops(0, 0)) == pytest.approx(math.log(1 + math.exp(-SURE)), rel=1e-4)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_synthetic_unknowns_weigh_half_of_a_photo_each(count: int) -> None:
    added = _loss(_crops(count, SURE)) - _loss(_crops(0, 0))
    uniform_cross_entropy = math.log(1 + math.exp(-SURE)) + SURE / 2  # of logits (SURE, 0) against (1/2, 1/2)
    assert added == pytest.approx(0.5 * count / 4 * uniform_cross_entropy, rel=1e-4)


def test_the_loss_is_least_where_unknowns_are_answered_evenly() -> None:
    even, sure = (_loss(_crops(2, level)) for level in (0.0, SURE))
    assert even - _loss(_crops(0, 0)) == pytest.approx(0.5 * 2 / 4 * math.log(2), rel=1e-4)
    assert even < sure


def test_grey_crops_in_another_hue_are_no_unknowns() -> None:
    assert _loss(_crops(0, 0), outliers=0.5) == pytest.approx(_loss(_crops(0, 0)), rel=1e-4)
