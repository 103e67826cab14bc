"""What the page gets of labelled racks through broker and agent: labels right or said to be unread, never misread.

The racks are drawn in 3840 x 2160 pixels with perspective, blur and noise; two of their 15 labels are damaged.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kardus.contract.messages import CameraHealth
from kardus.mqtt.settings import BrokerSettings
from tests.agents import SITE, AgentProcess
from tests.brokers import Mosquitto
from tests.publishers import Publisher
from tests.scripts.rack_labels import KINDS, drawn_rack, overlap
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_commission_page import CONFIG
from tests.warehouse.console.test_label_searches import Desk
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content import label_searches
from warehouse.store.database import Database

KIND: dict[str, Any] = {kind[1]: kind for kind in reversed(KINDS)}
WITHIN_S = 500.0
RACKS: list[Any] = [
    (("code128", 2.0), 1),
    pytest.param(("code128", 4.0), 3, marks=pytest.mark.slow),
    pytest.param(("qr", 2.0), 5, marks=pytest.mark.slow),
    pytest.param(("qr", 4.0), 7, marks=pytest.mark.slow),
    pytest.param(("datamatrix", 2.0), 9, marks=pytest.mark.slow),
    pytest.param(("datamatrix", 4.0), 11, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("label", "seed"), RACKS)
@pytest.mark.timeout(600)
def test_damaged_labels_are_said_to_be_unread_and_none_is_misread(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    file_database: Database,
    mosquitto: Mosquitto,
    label: tuple[str, float],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_searches, "LABELS_S", WITHIN_S)  # however slow this machine is
    rack, picture = drawn_rack(KIND[label[0]], label[1], seed, damaged=True)
    picture.save(tmp_path / "rack.jpg", quality=92)
    (tmp_path / "agent.toml").write_text(CONFIG.format(port=mosquitto.port))
    box = Publisher()
    health = CameraHealth(camera="cam", status="ok", since=datetime.now(UTC))
    write(file_database, box.online(), box._writer.health(health))
    agent = AgentProcess(tmp_path / "agent.toml")
    with AgentQuestions(BrokerSettings("127.0.0.1", mosquitto.port), SITE) as asking:
        wait_for(lambda: asking._session.is_subscribed)
        desk = Desk(Browser(console_over(file_database, asking), Role.SUPERVISOR))
        agent.start()
        mosquitto.wait_for_subscription(f"kardus-{SITE}-box")
        told = _patiently(lambda: desk.end_of(desk.find().json()["search"], WITHIN_S).json())
        assert agent.terminate()[0] == 0
    assert rack.labels is not None
    truth = {slot.location: slot.corners for slot in rack.slots()}
    named = {one["id"]: np.array(one["corners"]) for one in told["proposals"] if one["id"]}
    unread = [np.array(one["corners"]) for one in told["proposals"] if not one["id"]]
    assert named.keys() == truth.keys() - rack.labels.damaged
    assert len(unread) == len(rack.labels.damaged) == 2
    found = [overlap(corners, truth[code]) for code, corners in named.items()]
    found += [max(overlap(corners, outline) for outline in truth.values()) for corners in unread]
    assert np.mean(found) >= 0.85
    assert min(found) > 0.5, "each names the opening that it covers"


def _patiently(ask: Callable[[], Any]) -> Any:
    """The agent's answer, which may not run yet, or have no picture yet."""
    for _ in range(10):
        try:
            return ask()
        except ValueError:  # no JSON: it was refused in words
            continue
    raise AssertionError("the agent never found its labels")
