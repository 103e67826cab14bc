"""A newcomer gets from an alert to its cleared task by what the page says, as docs/page.md tells."""

from pathlib import Path

import pytest

from tests.scripts.newcomer import table, walk

PAGE = Path(__file__).parents[2] / "docs" / "page.md"


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own pipes, when it ends
def test_the_way_from_an_alert_to_its_cleared_task_is_as_it_is_told(tmp_path: Path) -> None:
    way = table(walk(tmp_path))
    assert len(way) == 6, "five clicks, and all is well"
    told = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in way if line not in told] == []
