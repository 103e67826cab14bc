"""Filler is told from what says something, in both codecs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.rest.filler import length_without_filler

SLICE = {"h264": b"\0\0\1\x65", "hevc": b"\0\0\1\x26\x01"}
FILLER = {"h264": b"\x0c", "hevc": b"\x4c\x01"}
PAYLOADS = st.binary(max_size=50).filter(lambda payload: b"\0\0" not in payload and not payload.endswith(b"\0"))
FILLERS = st.lists(st.tuples(st.integers(2, 60), st.booleans()), max_size=3)
"""How many bytes of ones each has, and whether its start has four bytes."""


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(PAYLOADS, FILLERS)
def test_filler_at_the_end_is_not_counted(codec: str, payload: bytes, fillers: list[tuple[int, bool]]) -> None:
    content = SLICE[codec] + payload
    filled = content + b"".join(
        b"\0" * is_long + b"\0\0\1" + FILLER[codec] + b"\xff" * ones + b"\x80" for ones, is_long in fillers
    )
    assert length_without_filler(codec, filled) == len(content)


def test_what_ends_like_filler_and_is_none_is_counted() -> None:
    for codec, content in SLICE.items():
        ended = content + b"\xff\xff\xff\x80"
        assert length_without_filler(codec, ended) == len(ended)
    assert length_without_filler("mjpeg", b"\0\0\1\x0c\xff\xff\x80") == 7
    assert length_without_filler("h264", b"\xff\xff\x80") == 3
