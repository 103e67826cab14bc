"""Which box runs which model; a signed bundle is offered to some, to all, and back. Real broker, real bundles."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from edge_agent.models.fetch import fetch
from kardus.contract.commands import ChangeModel, Reply
from kardus.contract.messages import Model
from kardus.contract.model_status import Comparison, ModelStatus
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import UsageError
from tests.brokers import Mosquitto
from tests.export.colours import colour_bundle
from tests.https_server import make_certificates
from tests.patience import PATIENCE_S
from tests.publishers import SITE, Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_acting import Asked, agents
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.agents.bundles import Bundles
from warehouse.console.app import make_app
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.limits import RateLimit
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database
from warehouse.store.tables import audit, models

URL = "https://kardus.example.com"


@dataclass(frozen=True)
class Fleet:
    """Two boxes with the model 1.0.0, and a folder with that and the next one."""

    console: Console
    bundles: Bundles
    boxes: dict[str, Publisher]
    broker: Mosquitto

    def say(self, agent: str, sha256: str, version: str = "1.0.0", **more: Any) -> None:
        """What an agent says of its model."""
        model, now = Model(name="colours", version=version), datetime.now(UTC)
        status = ModelStatus(**{"model": model, "sha256": sha256, "phase": "settled", "since": now, **more})
        write(self.console.database, self.boxes[agent]._writer.model_status(status))

    def sha256(self, version: str) -> str:
        """Of a bundle in the folder."""
        return next(one.sha256 for one in self.bundles.every() if one.version == version)

    def browser(self, role: Role, language: str = "en") -> Browser:
        """Somebody's."""
        return Browser(self.console, role, language, bundles=self.bundles)


@pytest.fixture
def fleet(file_database: Database, mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Fleet]:
    """Both online; the broker is there."""
    folder, key = tmp_path / "bundles", Ed25519PrivateKey.generate()
    folder.mkdir()
    for version, keys in (("1.0.0", [key]), ("1.1.0", [key]), ("1.2.0", [])):
        colour_bundle(folder / f"colours-{version}.bundle", keys, name="colours", version=version)
    (folder / "broken.bundle").write_bytes(b"no zip")
    boxes = {name: Publisher(name) for name in ("box-1", "box-2")}
    write(file_database, *(box.online() for box in boxes.values()))
    with AgentQuestions(BrokerSettings("127.0.0.1", mosquitto.port), SITE) as asking:
        wait_for(lambda: asking._session.is_subscribed)
        made = Fleet(console_over(file_database, asking), Bundles(folder, f"{URL}/"), boxes, mosquitto)
        for name in boxes:
            made.say(name, made.sha256("1.0.0"))
        yield made


def began(name: str, said: dict[str, Any]) -> Reply:
    """An agent that begins to fetch."""
    return Reply(command=name, ok=True, correlation=said["correlation"], result={"phase": "fetching"})


def test_a_signed_bundle_goes_to_one_then_to_all_and_back_and_it_is_noted_who_did_it(fleet: Fleet) -> None:
    person, old, new = fleet.browser(Role.SUPERVISOR), fleet.sha256("1.0.0"), fleet.sha256("1.1.0")
    with agents(fleet.broker, began) as asked:
        assert person.post("/models", **{"do": "offer", "bundle": new, "agent:box-2": "on"}).status_code == 303
        assert _told(asked) == [("box-2", "1.1.0", f"{URL}/bundles/{new}", False)]
        fleet.say("box-2", old, phase="shadowing", comparison=Comparison(crops=40, same=38, expected=30))
        assert "38 of 40 crops alike" in words_of(person.get("/models").text)
        fleet.say("box-2", new, "1.1.0")
        assert person.post("/models", do="all", bundle=new).status_code == 303
        assert _told(asked)[1:] == [("box-1", "1.1.0", f"{URL}/bundles/{new}", False)], "who has it isn't asked"
        fleet.say("box-1", new, "1.1.0")
        shown = person.get("/models").text
        assert shown.count("Back to colours 1.0.0") == 2
        assert person.post("/models", **{"back:box-1": "1"}).status_code == 303
        assert _told(asked)[2:] == [("box-1", "1.0.0", f"{URL}/bundles/{old}", True)]
    with fleet.console.reading() as connection:
        rows = connection.execute(select(audit).where(audit.c.action.in_(("offer-model", "model-back"))))
        noted = [(row.actor.split(" (")[0], row.action, row.subject, row.detail) for row in rows]
    to_new = ("a supervisor", "offer-model", "box-2", "colours 1.0.0 to colours 1.1.0")
    assert noted == [
        to_new,
        (*to_new[:2], "box-1", to_new[3]),
        ("a supervisor", "model-back", "box-1", "colours 1.1.0 to colours 1.0.0"),
    ]


@pytest.mark.parametrize("part", ["", "0", "1", "2", "100000", "100001", "-1", "x", "²", "9" * 5000])
def test_whoever_has_offered_something_is_led_to_a_page_that_there_is(fleet: Fleet, part: str) -> None:
    person = fleet.browser(Role.SUPERVISOR)
    with agents(fleet.broker, began):
        answer = person.post("/models", do="all", bundle=fleet.sha256("1.1.0"), part=part)
    assert answer.status_code == 303
    assert person.get(answer.headers["location"]).status_code == 200


def _told(asked: Asked) -> list[tuple[str, str, str, bool]]:
    return [(topic.split("/")[-3], said["version"], said["url"], said["force"]) for topic, said in asked]


def test_what_an_agent_refuses_is_shown_in_its_words(fleet: Fleet) -> None:
    person, new = fleet.browser(Role.SUPERVISOR, "id"), fleet.sha256("1.1.0")
    with agents(
        fleet.broker, lambda name, said: began(name, said).model_copy(update={"ok": False, "error": "no room"})
    ):
        person.post("/models", **{"do": "offer", "bundle": new, "agent:box-1": "on"})
    reason = "it was signed by nobody that model.trust names"
    fleet.say(
        "box-2", fleet.sha256("1.0.0"), phase="refused", reason=reason, candidate=Model(name="colours", version="9")
    )
    shown = words_of(person.get("/models").text)
    assert "no room" in shown
    assert reason in shown
    assert "yang lain ditolak" in shown
    assert "box-2,yes,colours 1.0.0" in person.get("/export/models.csv").text
    write(fleet.console.database, (fleet.boxes["box-2"].topics.model, b""))
    with fleet.console.reading() as connection:
        assert list(connection.execute(select(models.c.agent)).scalars()) == ["box-1"]


def test_what_is_not_signed_or_not_there_is_not_offered(fleet: Fleet) -> None:
    person = fleet.browser(Role.SUPERVISOR)
    shown = words_of(person.get("/models").text)
    assert "nobody has signed it" in shown
    assert "broken.bundle" in shown
    for bundle in (fleet.sha256("1.2.0"), "0" * 64, ""):
        assert person.post("/models", do="all", bundle=bundle).status_code == 422
        assert person.get(f"/bundles/{bundle or 'x'}").status_code == 404
    assert person.post("/models", do="all", bundle=fleet.sha256("1.0.0")).status_code == 409, "all have it"
    assert person.post("/models", **{"back:box-1": "1"}).status_code == 409
    assert person.post("/models", do="sign").status_code == 422
    viewer = fleet.browser(Role.VIEWER)
    assert "Offer" not in words_of(viewer.get("/models").text).replace("Offered last", "")
    with pytest.raises(UsageError, match="--agents-url"):
        Bundles(Path(), "http://x")
    with pytest.raises(UsageError, match="no such folder"):
        Bundles(Path("nowhere"), URL)


def test_an_agent_fetches_what_it_was_offered_from_the_page(fleet: Fleet, tmp_path: Path) -> None:
    ca_file, chain = make_certificates(tmp_path / "tls", "127.0.0.1")
    with _encrypted(fleet, chain) as port:
        bundle = fleet.bundles.find(fleet.sha256("1.1.0"))
        assert bundle is not None
        told = Bundles(bundle.path.parent, f"https://127.0.0.1:{port}").command(bundle)
        fetch(told, tmp_path / "fetched", ca_file, threading.Event())
        assert (tmp_path / "fetched").read_bytes() == bundle.path.read_bytes()
        assert isinstance(told, ChangeModel)


@contextmanager
def _encrypted(fleet: Fleet, chain: Path) -> Iterator[int]:
    app = make_app(fleet.console, PageSettings(encrypted=True, bundles=fleet.bundles))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        config = uvicorn.Config(app, log_config=None, lifespan="off", ssl_certfile=chain, ssl_keyfile=chain)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([bound])), daemon=True)
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)


def test_who_guesses_addresses_of_bundles_has_to_wait(fleet: Fleet) -> None:
    slow = Browser(console_over(fleet.console.database, wrong=RateLimit(0.001, 2)), None, bundles=fleet.bundles)
    assert [slow.get(f"/bundles/{n}").status_code for n in range(3)] == [404, 404, 429]
