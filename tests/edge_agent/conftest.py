"""What several of the agent's tests use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kardus.support.chores import Chores


@pytest.fixture
def chores() -> Iterator[Chores]:
    """A thread for what takes its time, ended after the test."""
    own = Chores()
    yield own
    own.stop()
