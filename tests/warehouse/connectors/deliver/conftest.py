"""A receiver of webhooks that is up, for tests that need one kind of target, and no pauses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse.connectors.deliver.rigs import WebhookRig, WebhookService
from tests.warehouse.connectors.deliver.served import served
from warehouse.connectors.deliver import queue


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_PAUSE_S", 0.0)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebhookRig]:
    """A receiver of webhooks that is up."""
    service = WebhookService()
    with served(service) as server:
        server.up()
        yield WebhookRig(tmp_path, server, service)
