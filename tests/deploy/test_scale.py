"""docs/scale.md says what its script works out."""

from pathlib import Path

from tests.scripts.scale import FLEETS, Fleet, markdown, payload_bytes

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def test_the_table_is_current() -> None:
    assert markdown(FLEETS) in PAGE.read_text(), "run: python -m tests.scripts.scale, and put its table in"


def test_the_arithmetic() -> None:
    fleet = Fleet(cameras=100, cameras_per_agent=5, locations_per_camera=10)
    assert (fleet.agents, fleet.locations) == (20, 1000)
    assert payload_bytes("LocationState") < payload_bytes("LocationEvent") < 2000
