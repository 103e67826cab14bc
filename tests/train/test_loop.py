"""The training loop on a tiny network that a second can train."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge_agent.errors import KardusError
from tests.train.making import COLOURS
from train.config import Precision, TrainConfig, make_config
from train.loop import (
    Epoch,
    Photos,
    _decay_groups,
    batches,
    choose_precision,
    predict,
    rate,
    to_tensor,
    train,
    validate,
)
from train.networks.carton import CartonNet

SIZE_PX = 32


def _photos(each: int, side_px: int, seed: int = 0) -> Photos:
    """Noisy photos of three colours."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(COLOURS)), each)
    colours = np.array(list(COLOURS.values()))[labels][:, None, None, :]
    noise = rng.normal(0, 12, (len(labels), side_px, side_px, 3))
    return Photos((colours + noise).clip(0, 255).astype(np.uint8), labels)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 8, 4, stride=4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def _config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {"size": SIZE_PX, "epochs": 6, "batch": 6, "lr": 0.02, "seed": 3}
    return make_config(**(values | changes))


def _train(**changes: object) -> tuple[nn.Module, list[Epoch]]:
    history: list[Epoch] = []
    model = train(_network(), _photos(8, 37), _photos(4, SIZE_PX, seed=1), _config(**changes), history.append)
    return model, history


def test_training_learns_the_colours() -> None:
    model, history = _train(epochs=12, cutmix=0.0)
    held_out = _photos(6, SIZE_PX, seed=2)
    assert (predict(model, held_out.pixels).argmax(dim=1).numpy() == held_out.labels).mean() == 1
    assert history[-1].val_accuracy == 1
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].val_loss < history[0].val_loss


def test_every_epoch_is_told_with_its_figures() -> None:
    _, history = _train()
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6]
    for epoch in history:
        assert all(math.isfinite(value) for value in vars(epoch).values())
        assert 0 <= epoch.train_accuracy <= 1
        assert epoch.seconds > 0


def test_answer_is_in_evaluation_mode_and_averaged() -> None:
    network = _network()
    model = train(network, _photos(8, 37), _photos(4, SIZE_PX), _config(batch=2), lambda _: None)
    assert not model.training
    pairs = zip(model.parameters(), network.parameters(), strict=True)
    differences = [float((kept - last).detach().abs().max()) for kept, last in pairs]
    assert 0 < max(differences) < 0.5
    for kept, last in zip(model.buffers(), network.buffers(), strict=True):
        assert torch.equal(kept, last)


def test_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    first, second, other = (_train(seed=seed, outliers=0.5)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_outliers_make_strange_colours_doubted() -> None:
    plain, taught = (_train(epochs=12, cutmix=0.0, outliers=share)[0] for share in (0.0, 1.0))
    strange = np.full((4, SIZE_PX, SIZE_PX, 3), (170, 40, 190), dtype=np.uint8)
    doubts = [float(predict(model, strange).softmax(dim=1).max()) for model in (plain, taught)]
    assert doubts[1] < doubts[0]


def test_loss_that_is_no_number_stops_training_and_names_lr() -> None:
    with pytest.raises(KardusError, match=r"the loss became (nan|inf) in epoch \d+: lower --lr \(1e\+30\)"):
        _train(lr=1e30)


def test_training_without_held_out_photos_tells_nan() -> None:
    nothing = Photos(np.zeros((0, SIZE_PX, SIZE_PX, 3), dtype=np.uint8), np.zeros(0, dtype=np.int64))
    history: list[Epoch] = []
    train(_network(), _photos(4, 37), nothing, _config(epochs=1), history.append)
    assert math.isnan(history[0].val_loss)
    assert math.isnan(history[0].val_accuracy)


def test_batches_show_every_photo_once_in_an_order_of_the_generators() -> None:
    photos = Photos(np.arange(12, dtype=np.uint8).repeat(12).reshape(12, 2, 2, 3), np.arange(12))
    seen = [list(batches(photos, 4, torch.Generator().manual_seed(seed))) for seed in (0, 0, 1)]
    labels = [torch.cat([batch[1] for batch in run]).tolist() for run in seen]
    assert sorted(labels[0]) == list(range(12))
    assert labels[0] == labels[1] != labels[2]
    for pixels, label in seen[0]:
        assert pixels.shape == (4, 3, 2, 2)
        assert torch.equal(pixels[:, 0, 0, 0], label.float())


def test_batches_leave_out_the_smaller_last_one_but_never_everything() -> None:
    photos = _photos(3, 8)
    generator = torch.Generator().manual_seed(0)
    assert [len(labels) for _, labels in batches(photos, 4, generator)] == [4, 4]
    assert [len(labels) for _, labels in batches(photos, 32, generator)] == [9]


def test_to_tensor_moves_channels_first_and_keeps_the_scale() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    tensor = to_tensor(pixels)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), pixels.transpose(0, 3, 1, 2))


def test_predict_is_the_same_in_any_batch_size_and_takes_no_gradients() -> None:
    pixels = _photos(4, SIZE_PX).pixels
    model = _network().train()
    logits = predict(model, pixels, batch=5)
    assert logits.shape == (12, 3)
    assert not logits.requires_grad
    assert torch.allclose(logits, predict(model, pixels, batch=12), atol=1e-5)


def test_validate_is_cross_entropy_and_accuracy() -> None:
    photos = _photos(4, SIZE_PX)
    model = _network()
    logits = predict(model, photos.pixels).double().numpy()
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, accuracy = validate(model, photos)
    assert loss == pytest.approx(-np.log(chances[np.arange(12), photos.labels]).mean(), rel=1e-4)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == photos.labels).mean())


def test_weight_decay_spares_biases_and_normalisation() -> None:
    model = _network()
    decayed, plain = _decay_groups(model, 0.05)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    kernels: list[Tensor] = [model.get_parameter("1.weight"), model.get_parameter("5.weight")]
    assert [id(p) for p in decayed["params"]] == [id(p) for p in kernels]  # type: ignore[attr-defined]
    assert len(plain["params"]) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [*range(1, 13), 100, 997])
def test_the_rate_rises_once_and_falls_to_nearly_nothing(steps: int) -> None:
    rates = [rate(done, steps) for done in range(steps)]
    assert all(0 < value <= 1 for value in rates)
    assert max(rates) == pytest.approx(1)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert steps < 50 or rates[-1] < 0.01


@pytest.mark.parametrize(
    ("asked", "flags", "arch", "chosen"),
    [
        ("auto", {"avx512_bf16": True}, "resnet18", "bf16-mixed"),
        ("auto", {"avx512_bf16": False, "avx2": True}, "resnet18", "32-true"),
        ("auto", {"avx512_bf16": True}, "shufflenet_v2_x0_5", "32-true"),  # slower there, with its grouped convolutions
        ("32", {"avx512_bf16": True}, "resnet18", "32-true"),
        ("bf16", {}, "mobilenet_v3_small", "bf16-mixed"),
    ],
)
def test_precision_is_bfloat16_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, asked: Precision, flags: dict[str, bool], arch: str, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert choose_precision(asked, CartonNet(arch, 2)) == chosen


def test_training_in_bfloat16_keeps_its_weights_in_32_bits_and_learns() -> None:
    model, history = _train(epochs=12, precision="bf16")
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].val_accuracy == 1
