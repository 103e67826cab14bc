"""Memory that two processes share."""

import os

import numpy as np
import pytest

from edge_agent.camera.decoding.shared import PictureMemory
from edge_agent.camera.errors import DecoderError


def test_what_one_side_writes_the_other_reads_whatever_its_size() -> None:
    agent = PictureMemory.create()
    decoder = PictureMemory(os.dup(agent.descriptor))
    rng = np.random.default_rng(0)
    for width, height in ((64, 48), (16, 8), (320, 240), (64, 48)):  # a camera may change its resolution
        pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        decoder.write(pixels[:, ::-1])
        assert np.array_equal(np.asarray(agent.read(width, height)), pixels[:, ::-1])
    kept = agent.read(64, 48)
    decoder.write(np.zeros((48, 64, 3), np.uint8))
    assert np.asarray(kept).any(), "a picture is the reader's own"
    agent.close()
    decoder.close()


def test_what_was_never_written_is_not_read_and_nobody_can_take_it_away() -> None:
    """Reading memory that is gone would kill the agent."""
    memory = PictureMemory.create()
    with pytest.raises(DecoderError, match="nonsense"):
        memory.read(64, 48)
    memory.write(np.ones((48, 64, 3), np.uint8))
    with pytest.raises(PermissionError):
        os.ftruncate(memory.descriptor, 100)
    memory.close()
