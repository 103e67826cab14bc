"""Training's tests draw their plots without rendering them, but for those that look at the pictures."""

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

_RENDERED = {"test_curves", "test_evaluation_report", "test_cli"}


def _blank(_: object, to: Any, **__: object) -> None:
    Image.new("L", (1, 1)).save(to, format="PNG")


@pytest.fixture(autouse=True, scope="module")
def _unrendered_plots(request: pytest.FixtureRequest) -> Iterator[None]:
    """Rendering takes a third of a small training's processor time."""
    if request.module.__name__.rpartition(".")[2] in _RENDERED:
        yield
        return
    own = [item for item in request.session.items if item.path == request.path]
    if any("run_folder" in getattr(item, "fixturenames", ()) for item in own):
        request.getfixturevalue("run_folder")  # with its plots: every process shares it, whoever makes it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", _blank)
        yield
