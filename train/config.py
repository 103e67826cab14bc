"""The configuration of a training run: validated, frozen, and stored in its checkpoint.

Every field is an option of `kardus-train fit` and a key of a recipe; the text under it is the option's help.
"""

import math
from typing import Annotated, Literal, Self

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
        raise ValueError("must be odd, so that a place is in the middle of its kernel")
    return number


ComputePrecision = Literal["auto", "32", "bf16"]
Protocol = Literal["honest", "founding"]
OddInt = Annotated[int, Field(ge=1, le=31), AfterValidator(_is_odd)]
Proportion = Annotated[float, Field(ge=0, le=1)]
EPOCHS, FEWEST_EPOCHS = 90, 30
FEWEST_STEPS, MOST_STEPS = 1200, 6000
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class TrainConfig(BaseModel):
    """Everything that decides what a run becomes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    arch: str = "resnet18"
    """Network: a family member of torchvision (see docs/training.md), or timm:NAME."""
    init: str = ""
    """Weights to begin with: imagenet, a .pth or .safetensors file, a run; else random."""
    rmcsam: bool = False
    """Add the RMCSAM attention module."""
    rmcsam_recursions: Annotated[int, Field(ge=1, le=10)] = 3
    """How often its step is applied."""
    rmcsam_reductions: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (8, 16, 32)
    """Its channel perceptrons' hidden sizes: channels divided by each of these."""
    rmcsam_kernels: Annotated[tuple[OddInt, ...], Field(min_length=1)] = (7, 5, 3)
    """Its spatial convolutions' kernel sizes, odd, in places of the map."""
    pooling: Literal["avg", "gem"] = "avg"
    """How the map becomes a vector: avg or gem."""
    dropout: BelowOne = 0.2
    """Dropout before the head."""
    category_weight: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Weight of a second head's loss, which tells the categories apart; 0: no such head."""
    size: Annotated[int, Field(ge=32, le=512)] = 224
    """Width and height of the network's input, in pixels."""

    protocol: Protocol = "honest"
    """honest: bursts grouped, photos split first; founding: copies made first, then split, as the study did."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share held out where the data set marks no val split."""
    folds: Annotated[int, Field(ge=0, le=50)] = 0
    """Measure and calibrate by so many grouped folds, then train on every photo; 0: hold out one part."""
    seeds: PositiveInt = 1
    """With --folds: how many times the folds are drawn and trained, each time with another seed."""
    refit: Proportion = 0.2
    """Then go on with the held-out photos too, for this share of the epochs; the figures stay those from before."""

    copies: Annotated[int, Field(ge=0, le=1000)] = 0
    """Constant copies of every photo, made as the founding study did (both flips too); 0: a new look in every epoch."""
    smallest_zoom: Annotated[float, Field(gt=0.1, le=1)] = 0.5
    """Smallest share of a photo's width that a crop shows."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 30.0
    """Largest rotation, in degrees."""
    perspective: Annotated[float, Field(ge=0, le=0.4)] = 0.15
    """Largest tilt out of the plane, as a share of the distance."""
    cutmix: Proportion = 0.0
    """How often a batch is mixed with boxes of other photos."""
    outliers: Proportion = 0.0
    """Share of each batch repeated in false colours, to be doubted."""
    clutter: Proportion = 0.125
    """Heaps of round things, drawn in the photos' colours, as a share of each batch, to be doubted."""
    first_size: Annotated[int, Field(ge=0, le=512)] = 128
    """Size of the crops in the first epoch; it grows to --size in two thirds of them; 0: --size from the start."""

    teacher: str = ""
    """A run whose answers are learnt beside the labels (distillation)."""
    epochs: NonNegativeInt = 0
    """How often every photo is seen; 0: 90 times, more often where they are few, less often where they are many."""
    batch: Annotated[int, Field(ge=2)] = 32
    """Photos a step, over all devices."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """adamw or adam."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate: cosine (warm-up, then half a cosine) or constant."""
    lr: Annotated[float, Field(gt=0)] = 2e-3
    """Highest learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Weight decay of kernels and matrices (adamw)."""
    label_smoothing: BelowOne = 0.1
    """Label smoothing."""
    clip: Annotated[float, Field(ge=0)] = 5.0
    """Largest norm of a step's gradients; 0: no limit."""
    ema: Proportion = 0.1
    """The weights that are kept are averaged over this share of all steps; 0: the last ones are kept."""
    patience: NonNegativeInt = 0
    """Stop after so many epochs without a lower held-out loss, and keep the best; 0: never."""
    precision: ComputePrecision = "auto"
    """auto, 32 or bf16: auto computes in bfloat16 where the device has it."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Seed of everything random."""

    def for_photos(self, count: int) -> Self:
        """The same with a number of epochs, where it has none yet, that suits so many photos to train on.

        What a network needs is steps: EPOCHS of a few hundred photos have enough, those of a hundred have not.
        """
        if self.epochs:
            return self
        batches = max(1, count * max(1, self.copies) // self.batch)
        steps = min(max(EPOCHS * batches, FEWEST_STEPS), MOST_STEPS)
        return self.model_copy(update={"epochs": max(FEWEST_EPOCHS, math.ceil(steps / batches))})

    @model_validator(mode="after")
    def _founding_needs_copies(self) -> Self:
        if self.protocol == "founding" and not self.copies:
            raise ValueError("splits copies of photos: give --copies 10, or use --protocol honest")
        if self.protocol == "founding" and (self.folds or self.refit):
            raise ValueError("tests on the photos that it trains on: --folds and --refit need --protocol honest")
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
        if not first["loc"]:  # a combination of values
            raise UsageError(f"--protocol founding: {first['msg'].removeprefix('Value error, ')}") from error
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} {first['input']}: {first['msg'].lower()}") from error
