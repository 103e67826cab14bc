"""The configuration of a training run: validated, frozen, and stored in its checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from edge_agent.errors import UsageError


def _is_odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("must be odd, so that a place is in the middle of its kernel")
    return number


Precision = Literal["auto", "32", "bf16"]
OddInt = Annotated[int, Field(ge=1, le=31), AfterValidator(_is_odd)]


class TrainConfig(BaseModel):
    """Everything that decides what a run becomes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = "resnet18"
    init: str = ""
    """Where the weights begin: "imagenet", a file, an earlier run; empty: at random."""
    rmcsam: bool = False
    rmcsam_recursions: Annotated[int, Field(ge=1, le=10)] = 3
    rmcsam_reductions: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (8, 16, 32)
    rmcsam_kernels: Annotated[tuple[OddInt, ...], Field(min_length=1)] = (7, 5, 3)
    pooling: Literal["avg", "gem"] = "avg"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    size: Annotated[int, Field(ge=32, le=512)] = 128
    """Width and height of the network's input, in pixels."""
    epochs: Annotated[int, Field(ge=1)] = 40
    batch: Annotated[int, Field(ge=2)] = 32
    lr: Annotated[float, Field(gt=0)] = 2e-3
    """Highest learning rate (AdamW, warm-up and cosine)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    category_weight: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Weight of the loss of a second head that tells the categories apart; 0: no such head."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    cutmix: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How often a batch is mixed: a box of each crop comes from another photo, and the label with it."""
    outliers: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of each batch that is repeated in false colours, not to be recognised (see train.augment.outliers)."""
    precision: Precision = "auto"
    """Of the training's arithmetic: `auto` mixes in bfloat16 where the device computes it faster."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the photos held out of training where the data set marks no split."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0


def make_config(**values: object) -> TrainConfig:
    """Validate the values.

    Raises:
        UsageError: a value is out of its range; the message names the option and the value.
    """
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} {first['input']}: {first['msg'].lower()}") from error
