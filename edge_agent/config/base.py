"""What every part of the configuration shares."""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kardus.inference.geometry import Float64Array

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Point = tuple[float, float]


class Section(BaseModel):
    """A part of the configuration. Unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def as_array(corners: tuple[Point, ...]) -> Float64Array:
    """Corners as an array of shape (n, 2)."""
    return np.array(corners, dtype=np.float64)
