"""What several tests of the export share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def portable_file(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run's bundle in the portable form."""
    from export.build import build

    path = tmp_path_factory.mktemp("portable") / "portable.bundle"
    build(run_folder, path, form="portable")
    return path
