"""Writes docs/schema/openapi.json, the API's description: `python -m tests.scripts.openapi`."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.warehouse.console.serving import console_over
from warehouse.console.app import make_app
from warehouse.store.opening import open_database

PAGE = Path(__file__).parents[2] / "docs" / "schema" / "openapi.json"


def written() -> str:
    """The file's text."""
    with TemporaryDirectory() as folder, open_database(Path(folder) / "k.sqlite", make=True) as database:
        return json.dumps(make_app(console_over(database)).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
