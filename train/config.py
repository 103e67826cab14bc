"""The configuration of a training run: validated, frozen, and stored in its checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.errors import UsageError

Precision = Literal["auto", "32", "bf16"]


class TrainConfig(BaseModel):
    """Everything that decides what a run becomes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = "resnet18"
    rmcsam: bool = False
    pooling: Literal["avg", "gem"] = "avg"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    size: Annotated[int, Field(ge=32, le=512)] = 128
    """Width and height of the network's input, in pixels."""
    epochs: Annotated[int, Field(ge=1)] = 40
    batch: Annotated[int, Field(ge=2)] = 32
    lr: Annotated[float, Field(gt=0)] = 2e-3
    """Highest learning rate (AdamW, warm-up and cosine)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
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
