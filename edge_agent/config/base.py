"""What every part of the configuration shares."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from kardus.inference.geometry import Float64Array
from kardus.support.file_stamp import FileStamp, file_stamp

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Point = tuple[float, float]


class Section(BaseModel):
    """A part of the configuration. Unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileSection(Section):
    """One that names files whose content counts: it equals another one only as long as they are the same files."""

    _stamps: tuple[FileStamp | None, ...] = PrivateAttr(default=())

    def model_post_init(self, context: Any) -> None:
        """Note the files as they are when the configuration is read."""
        super().model_post_init(context)
        files = (getattr(self, name) for name in type(self).model_fields)
        self._stamps = tuple(file_stamp(file) for file in files if isinstance(file, Path))


def as_array(corners: tuple[Point, ...]) -> Float64Array:
    """Corners as an array of shape (n, 2)."""
    return np.array(corners, dtype=np.float64)
