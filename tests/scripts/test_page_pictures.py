"""The page's pictures in the docs come from the script, so that they are taken again where the page has changed."""

from pathlib import Path

from tests.scripts.page_pictures import LAID_OUT, MONTH_SHOTS, SHOTS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_script_takes_every_picture_of_the_page() -> None:
    assert {path.name for path in DOCS.glob("page-*.png")} == {LAID_OUT, *SHOTS, *MONTH_SHOTS}
