"""A day of frames leaves the agent as it was: its memory and its open files don't grow."""

from pathlib import Path

import pytest

from tests.scripts.day import DAY, Growth, growth_of, play_day

SETTLED_MB = 6.0
"""What allocators and caches may still take after the warm-up."""
FOR_A_MOMENT = 8
"""Files that may be open for a moment: a picture and its folder, a database's journal."""


def _grown(frames: int, folder: Path) -> Growth:
    samples, seconds = play_day(frames, folder)
    return growth_of(samples, frames, seconds)


def test_some_hundred_frames_leave_memory_and_files_flat(tmp_path: Path) -> None:
    growth = _grown(200, tmp_path)
    assert growth.last_mb - growth.first_mb < SETTLED_MB
    assert growth.last_files <= growth.first_files + 1
    assert growth.most_files <= growth.first_files + FOR_A_MOMENT


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_day_of_frames_leaves_memory_and_files_flat(tmp_path: Path) -> None:
    growth = _grown(DAY, tmp_path)
    assert growth.high_mb < SETTLED_MB
    assert growth.last_files <= growth.first_files
    assert growth.most_files <= growth.first_files + FOR_A_MOMENT
