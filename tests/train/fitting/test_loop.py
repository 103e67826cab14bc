"""The training loop on a tiny network that a second can train."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from kardus.support.errors import KardusError
from tests.train.making import COLOURS
from train.augmentation.augmented_views import CPU, FreshViews, Photos, to_tensor
from train.augmentation.synthetic_unknowns import false_colours
from train.config import TrainConfig, make_config
from train.fitting.loop import Epoch, batches, batches_in, predict, seeds_of, train, validate

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
    values: dict[str, object] = {"size": SIZE_PX, "epochs": 6, "batch": 6, "lr": 0.02, "seed": 3, "clutter": 0.0}
    return make_config(**(values | changes))


def _train(**changes: object) -> tuple[nn.Module, list[Epoch]]:
    history: list[Epoch] = []
    config = _config(**changes)
    views = FreshViews(_photos(8, 37), config)
    return train(_network(), views, _photos(4, SIZE_PX, seed=1), config, history.append), history


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
    config = _config(batch=2)
    model = train(network, FreshViews(_photos(8, 37), config), _photos(4, SIZE_PX), config, lambda _: None)
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
    plain, taught = (_train(epochs=12, cutmix=0.0, outliers=proportion)[0] for proportion in (0.0, 1.0))
    turned, _ = false_colours(to_tensor(_photos(8, SIZE_PX, seed=5).pixels), torch.Generator().manual_seed(9))
    strange = turned.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    doubts = [float(predict(model, strange).softmax(dim=1).amax(dim=1).mean()) for model in (plain, taught)]
    assert doubts[1] < doubts[0]


def test_loss_that_is_no_number_stops_training_and_names_lr() -> None:
    said = r"the loss became (nan|inf) in epoch \d+, batch \d of 4: lower --lr \(1e\+30\)$"
    with pytest.raises(KardusError, match=said):
        _train(lr=1e30)


def test_training_without_held_out_photos_tells_nan() -> None:
    nothing = Photos(np.zeros((0, SIZE_PX, SIZE_PX, 3), dtype=np.uint8), np.zeros(0, dtype=np.int64))
    history: list[Epoch] = []
    config = _config(epochs=1)
    train(_network(), FreshViews(_photos(4, 37), config), nothing, config, history.append)
    assert math.isnan(history[0].val_loss)
    assert math.isnan(history[0].val_accuracy)


def test_batches_show_every_picture_once_in_an_order_of_the_generators() -> None:
    seen = [np.concatenate(list(batches(12, 4, torch.Generator().manual_seed(seed)))).tolist() for seed in (0, 0, 1)]
    assert sorted(seen[0]) == list(range(12))
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize(("count", "size", "sizes"), [(9, 4, [4, 4]), (9, 32, [9]), (8, 4, [4, 4]), (1, 4, [1])])
def test_batches_leave_out_the_smaller_last_one_but_never_everything(count: int, size: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in batches(count, size, torch.Generator())] == sizes
    assert batches_in(count, size) == len(sizes)


def test_every_epoch_has_seeds_of_its_own_and_the_same_again() -> None:
    drawn = [
        [int(g.initial_seed()) for g in seeds_of(seed, epoch, CPU)] for seed, epoch in ((0, 1), (0, 2), (1, 1), (0, 1))
    ]
    assert drawn[0] == drawn[3]
    assert len({number for pair in drawn[:3] for number in pair}) == 6


def test_a_process_draws_its_own_looks_and_shares_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [int(g.initial_seed()) for g in seeds_of(0, 1, CPU)]
    monkeypatch.setenv("RANK", "1")
    second = [int(g.initial_seed()) for g in seeds_of(0, 1, CPU)]
    assert first[0] == second[0]
    assert first[1] != second[1]


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


def test_training_in_bfloat16_keeps_its_weights_in_32_bits_and_learns() -> None:
    model, history = _train(epochs=12, precision="bf16")
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].val_accuracy == 1


def test_a_long_run_looks_at_the_held_out_photos_now_and_then_and_at_its_end() -> None:
    _, history = _train(epochs=103)
    looked = [epoch.epoch for epoch in history if math.isfinite(epoch.val_loss)]
    assert looked == [*range(2, 103, 2), 103]


def test_training_stops_when_it_no_longer_gets_better_and_keeps_the_best() -> None:
    model, history = _train(epochs=40, patience=2, lr=0.3, schedule="constant", ema=0.0, precision="32")
    losses = [epoch.val_loss for epoch in history]
    assert len(history) < 40
    assert losses.index(min(losses)) == len(losses) - 3
    held_out = _photos(4, SIZE_PX, seed=1)
    assert validate(model, held_out)[0] == pytest.approx(min(losses), rel=1e-4)


def test_without_an_average_the_last_weights_are_kept() -> None:
    network = _network()
    config = _config(ema=0.0)
    model = train(network, FreshViews(_photos(8, 37), config), _photos(4, SIZE_PX), config, lambda _: None)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), network.parameters(), strict=True))


def test_clutter_is_doubted() -> None:
    plain, taught = (_train(epochs=12, clutter=proportion)[0] for proportion in (0.0, 1.0))
    config = _config()
    dead_leaves = FreshViews(_photos(8, 37, seed=5), config).clutter(16, 1, torch.Generator().manual_seed(9))
    crops = dead_leaves.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    doubts = [float(predict(model, crops).softmax(dim=1).amax(dim=1).mean()) for model in (plain, taught)]
    assert doubts[1] < doubts[0]


def test_a_student_answers_as_its_teacher_does() -> None:
    teacher = _train(epochs=12)[0]
    config = _config(epochs=12)
    views = FreshViews(Photos(_photos(8, 37).pixels, np.random.default_rng(0).integers(0, 3, 24)), config)  # no use
    student = train(_network(), views, _photos(4, SIZE_PX), config, lambda _: None, teacher=teacher)
    alone = train(_network(), views, _photos(4, SIZE_PX), config, lambda _: None)
    held_out = _photos(6, SIZE_PX, seed=2)
    assert validate(student, held_out)[1] > validate(alone, held_out)[1]
