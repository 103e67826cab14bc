"""A JPEG that was cut off is none, whatever it holds; one that is whole is read, whatever its corners look like."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.inference.preprocess import decode_picture, read_photo
from kardus.support.errors import DataError
from tests.cameras import chart
from tests.pictures import encoded

ROOM: dict[str, tuple[str, str, dict[str, object]]] = {
    "as nearly all": ("RGB", "JPEG", {}),
    "four inks": ("CMYK", "JPEG", {}),
    "progressive": ("RGB", "JPEG", {"progressive": True}),
    "grey": ("L", "JPEG", {}),
    "two pictures": ("RGB", "MPO", {"save_all": True, "append_images": [Image.new("RGB", (128, 96))]}),
}


def _jpeg(case: str, picture: Image.Image) -> bytes:
    mode, kind, options = ROOM[case]
    return encoded(picture.convert(mode), kind, quality=95, **options)


@pytest.mark.parametrize("share", [0.55, 0.9])
@pytest.mark.parametrize("case", [case for case in ROOM if case != "two pictures"])
def test_a_photo_that_was_cut_off_is_named_though_its_end_mark_is_there(
    tmp_path: Path, case: str, share: float
) -> None:
    whole = _jpeg(case, chart())
    (tmp_path / "p.jpg").write_bytes(whole[: int(len(whole) * share)] + b"\xff\xd9")
    with pytest.raises(DataError, match=r"p\.jpg: .*cut off"):
        read_photo(tmp_path / "p.jpg")


@pytest.mark.parametrize("case", ROOM)
def test_a_whole_photo_may_be_as_grey_as_what_is_missing(case: str) -> None:
    grey = Image.fromarray(np.full((96, 128, 3), 128, np.uint8))
    assert decode_picture(_jpeg(case, grey), "p").size == (128, 96)
