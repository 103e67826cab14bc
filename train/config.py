"""The configuration of a training run: validated, frozen, and stored in its checkpoint.

Every field is an option of `kardus-train fit` and a key of a recipe; the text under it is the option's help.
"""

import math
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from kardus.support.errors import UsageError


def _is_odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("must be odd, so that a kernel has a centre")
    return number


def _is_not_one(number: int) -> int:
    if number == 1:
        raise ValueError("one fold holds everything out: give 0 (one split), or 2 and more")
    return number


ComputePrecision = Literal["auto", "32", "bf16"]
Protocol = Literal["honest", "founding"]
OddInt = Annotated[int, Field(ge=1, le=31), AfterValidator(_is_odd)]
Proportion = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class TrainingLength(NamedTuple):
    """How long a training takes that isn't told its epochs.

    What counts is the number of optimiser steps: the usual epochs over a few hundred photos are enough, over a hundred
    not.
    """

    epochs: int
    fewest_epochs: int
    fewest_steps: int
    most_steps: int

    def of(self, batches: int) -> int:
        """The number of epochs, for so many batches in each."""
        steps = min(max(self.epochs * batches, self.fewest_steps), self.most_steps)
        return max(self.fewest_epochs, math.ceil(steps / batches))


FROM_RANDOM, PRETRAINED = TrainingLength(90, 30, 1200, 6000), TrainingLength(64, 20, 1200, 6000)


class TrainConfig(BaseModel):
    """The hyperparameters of a training run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    arch: str = "resnet18"
    """Network: a family member of torchvision (see docs/training.md), or timm:NAME."""
    init: str = ""
    """Initial weights: imagenet, a .pth or .safetensors file, or a run; empty: random."""
    rmcsam: bool = False
    """Add the RMCSAM attention module."""
    rmcsam_recursions: Annotated[int, Field(ge=1, le=10)] = 3
    """Number of recursions of the attention module."""
    rmcsam_reductions: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (8, 16, 32)
    """Reduction ratios of its channel attention: hidden size = channels / ratio."""
    rmcsam_kernels: Annotated[tuple[OddInt, ...], Field(min_length=1)] = (7, 5, 3)
    """Kernel sizes of its spatial attention: odd, in cells of the feature map."""
    pooling: Literal["avg", "gem"] = "avg"
    """Global pooling of the feature map: avg (mean) or gem (generalised mean)."""
    embedding: Literal["last", "stages"] = "last"
    """What the embedding is computed from: last (the last feature map), or stages (earlier ones too; EfficientNets)."""
    dropout: BelowOne = 0.2
    """Dropout probability before the head."""
    category_weight: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Weight of the loss of an auxiliary head that classifies the category; 0: no such head."""
    size: Annotated[int, Field(ge=32, le=512)] = 224
    """Width and height of the network's input, in pixels."""

    protocol: Protocol = "honest"
    """honest: bursts grouped, split before augmentation; founding: augmented, then split, as the founding study did."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction held out for validation where the data set marks no val split."""
    folds: Annotated[int, Field(ge=0, le=50), AfterValidator(_is_not_one)] = 0
    """Evaluate and calibrate by grouped cross-validation with so many folds, then train on all photos; 0: one split."""
    seeds: PositiveInt = 1
    """With --folds: repetitions of the cross-validation, each with another seed."""
    refit: Proportion = 0.2
    """After evaluation, train further on all photos for this fraction of the epochs, or for that of the held-out
    photos where it is larger; metrics stay those from before. 0: not at all."""

    copies: Annotated[int, Field(ge=0, le=1000)] = 0
    """Fixed augmented copies of every photo, as in the founding study (with flips); 0: augment anew in every epoch."""
    smallest_zoom: Annotated[float, Field(gt=0.1, le=1)] = 0.5
    """Smallest fraction of a photo's width that a random crop covers."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 30.0
    """Largest random rotation, in degrees."""
    perspective: Annotated[float, Field(ge=0, le=0.4)] = 0.15
    """Largest random perspective distortion: relative change of depth from the centre to an edge."""
    white_balance: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    """Largest random shift of the white balance: red and blue are scaled in opposite directions by up to it."""
    exposure: Annotated[float, Field(ge=0, le=2)] = 0.35
    """Largest random change of brightness, as a natural logarithm: 0.7 is between half and double."""
    blur: Proportion = 0.0
    """Probability that a crop is blurred, as one of a distant or moving camera."""
    side_by_side: Proportion = 0.0
    """Probability that a crop shows its carton several times, side by side and in rows, as stock stands on a shelf."""
    cutmix: Proportion = 0.0
    """Probability of CutMix for a batch."""
    outliers: Proportion = 0.0
    """Fraction of each batch that is repeated in false colours, as synthetic unknowns."""
    clutter: Proportion = 0.125
    """Synthetic unknowns (heaps of ellipses in the photos' colours) added to each batch, as a fraction of it."""
    first_size: Annotated[int, Field(ge=0, le=512)] = 128
    """Crop size in the first epoch; it grows to --size over two thirds of the epochs; 0: --size from the start."""

    teacher: str = ""
    """Knowledge distillation: a run whose outputs are learnt beside the labels."""
    epochs: NonNegativeInt = 0
    """Number of epochs; 0: 90, or 64 with --init; more for small data sets, fewer for large ones."""
    batch: Annotated[int, Field(ge=2)] = 32
    """Batch size, over all devices."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """adamw or adam."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning-rate schedule: cosine (linear warm-up, then cosine decay) or constant."""
    lr: Annotated[float, Field(gt=0)] = 2e-3
    """Peak learning rate."""
    backbone_lr: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of the backbone, whose weights --init gives, as a fraction of --lr, which the new heads have."""
    frozen: BelowOne = 0.0
    """Fraction of the backbone's layers, from the input on, that keep the weights that --init gives them."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Weight decay (adamw only), not applied to biases and normalisation."""
    label_smoothing: BelowOne = 0.1
    """Label smoothing."""
    clip: Annotated[float, Field(ge=0)] = 5.0
    """Gradient clipping: largest norm of a step's gradients; 0: no clipping."""
    ema: Proportion = 0.1
    """Exponential moving average of the weights over this fraction of all steps; 0: none, the last weights are kept."""
    patience: NonNegativeInt = 0
    """Early stopping: stop after so many epochs without a lower validation loss, keep the best weights; 0: never."""
    precision: ComputePrecision = "auto"
    """auto, 32 or bf16: auto times a few steps in 32 bits and in bfloat16, where the device has it."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Random seed."""

    def for_photos(self, count: int) -> Self:
        """This configuration with `epochs`, where it is 0, chosen for the number of training photos."""
        if self.epochs:
            return self
        batches = max(1, count * max(1, self.copies) // self.batch)
        length = PRETRAINED if self.init else FROM_RANDOM
        return self.model_copy(update={"epochs": length.of(batches)})

    def settled_as(self, kept: str) -> Self:
        """This configuration; where it leaves the precision open, with the one that a run of it has settled on."""
        return self if self.precision != "auto" else self.model_copy(update={"precision": kept})

    @model_validator(mode="after")
    def _founding_needs_copies(self) -> Self:
        if self.protocol == "founding" and not self.copies:
            raise ValueError("--protocol founding: splits copies of photos: give --copies 10, or use --protocol honest")
        if self.protocol == "founding" and (self.folds or self.refit):
            raise ValueError(
                "--protocol founding: tests on the photos that it trains on: --folds and --refit need --protocol honest"
            )
        return self

    @model_validator(mode="after")
    def _frozen_need_weights(self) -> Self:
        if self.frozen and not self.init:
            raise ValueError(
                f"--frozen {self.frozen}: layers of random weights can't stay as they are: give --init, or --frozen 0"
            )
        return self


def make_config(**values: object) -> TrainConfig:
    """Validate the values.

    Raises:
        UsageError: a value is out of its range; the message names the option and the value.
    """
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # a combination of values
            raise UsageError(said) from error
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} {first['input']}: {said[0].lower()}{said[1:]}") from error
