"""What every part of the configuration shares."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from kardus.inference.geometry import FloatArray
from kardus.support.secrets import secret_file

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Point = tuple[float, float]


class Section(BaseModel):
    """A part of the configuration. Unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _relative_to_file(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / secret_file(path)


FilePath = Annotated[Path, AfterValidator(_relative_to_file)]
"""A path, relative to the configuration file, or beginning with `$CREDENTIALS_DIRECTORY` (systemd's credentials)."""


def as_array(corners: tuple[Point, ...]) -> FloatArray:
    """Corners as an array of shape (n, 2)."""
    return np.array(corners, dtype=np.float64)
