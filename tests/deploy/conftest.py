"""A site for every test of the deployment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An authority and a broker that isn't started yet."""
    made = Site(tmp_path)
    yield made
    made.mosquitto.kill()
