"""The configuration of a run: what is refused, and how it is said."""

import pytest
from pydantic import ValidationError

from kardus.support.errors import UsageError
from train.config import TrainConfig, make_config


@pytest.mark.parametrize(
    ("key", "value", "option"),
    [
        ("epochs", -1, "--epochs -1"),
        ("size", 31, "--size 31"),
        ("size", 513, "--size 513"),
        ("batch", 1, "--batch 1"),
        ("lr", 0.0, "--lr 0.0"),
        ("lr", float("nan"), "--lr nan"),
        ("weight_decay", -0.1, "--weight-decay -0.1"),
        ("label_smoothing", 1.0, "--label-smoothing 1.0"),
        ("dropout", 1.0, "--dropout 1.0"),
        ("cutmix", 1.5, "--cutmix 1.5"),
        ("outliers", -0.5, "--outliers -0.5"),
        ("val_fraction", 0.0, "--val-fraction 0.0"),
        ("seed", -1, "--seed -1"),
        ("pooling", "max", "--pooling max"),
    ],
)
def test_value_out_of_range_is_refused_naming_option_and_value(key: str, value: object, option: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make_config(**{key: value})
    assert str(refusal.value).startswith(f"{option}: ")
    assert "\n" not in str(refusal.value)


def test_values_are_kept_and_the_others_are_the_defaults() -> None:
    config = make_config(arch="resnet34", epochs=3)
    assert config == TrainConfig().model_copy(update={"arch": "resnet34", "epochs": 3})


def test_configuration_cannot_be_changed() -> None:
    config = make_config()
    with pytest.raises(ValidationError):
        config.epochs = 7  # type: ignore[misc]


def test_unknown_key_is_refused() -> None:
    with pytest.raises(UsageError, match="--epoch 3"):
        make_config(epoch=3)


@pytest.mark.parametrize(
    ("photos", "copies", "epochs"),
    [
        (886, 0, 90),  # 27 batches: 2,430 steps
        (112, 0, 400),  # 3 batches, 1,200 steps
        (10, 0, 1200),
        (4000, 0, 48),  # 125 batches, 6,000 steps
        (100_000, 0, 30),
        (112, 8, 90),  # as many pictures as 896 photos
    ],
)
def test_epochs_suit_the_photos_where_none_are_given(photos: int, copies: int, epochs: int) -> None:
    assert make_config(copies=copies).for_photos(photos).epochs == epochs
    assert make_config(copies=copies, epochs=7).for_photos(photos).epochs == 7


def test_one_fold_is_refused_with_what_it_would_be() -> None:
    with pytest.raises(UsageError, match=r"^--folds 1: one fold holds everything out: give 0 \(one split\), or 2"):
        make_config(folds=1)
