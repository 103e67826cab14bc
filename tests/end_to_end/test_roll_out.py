"""A bundle goes from the page to a real agent, and back at one click: broker, receiver, server and agent run."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from sqlalchemy import select

from simulator.demo.broker import free_port
from tests.agents import SITE
from tests.brokers import Mosquitto
from tests.edge_agent.models.racks import NAME, made
from tests.end_to_end.test_model_change import NEW, Box
from tests.https_server import make_certificates
from tests.patience import PATIENCE_S
from tests.warehouse.console.test_service import port_of, running
from tests.warehouse.console.visiting import words_of
from tests.warehouse.receiving.test_receiver import wait_for
from tests.wms_side import WmsSide
from warehouse.console.identity.people import add_person
from warehouse.console.identity.sessions import begin_session, csrf_of
from warehouse.store.opening import open_database
from warehouse.store.tables import audit

OLD = "1.0.0"


@dataclass(frozen=True)
class Page:
    """What a supervisor's browser has of the page."""

    client: httpx2.Client
    csrf: str

    def words(self) -> str:
        """What stands on it."""
        answer = self.client.get("/models")
        assert answer.status_code == 200, answer.text
        return words_of(answer.text)

    def wait_for(self, pattern: str) -> None:
        """Load it again, as the browser does, until it says so."""
        wait_for(lambda: re.search(pattern, self.words()) is not None, PATIENCE_S)

    def send(self, **fields: str) -> None:
        """Press a button."""
        answer = self.client.post("/models", data={"csrf": self.csrf, **fields})
        assert answer.status_code == 303, answer.text


@contextmanager
def served(folder: Path, mosquitto: Mosquitto) -> Iterator[tuple[Page, Path, Path]]:
    """Receiver and server over TLS: the page, the database, and the authority's certificate."""
    path, bundles, port = folder / "kardus.sqlite", folder / "bundles", free_port()
    bundles.mkdir()
    ca_file, chain = make_certificates(folder / "pki", "127.0.0.1")
    broker = ("--host", "127.0.0.1", "--port", mosquitto.port)
    url = f"https://127.0.0.1:{port}"
    tls = ("--server-certificate-file", chain, "--server-key-file", chain)
    offering = ("--bundles", bundles, "--agents-url", url)
    with ExitStack() as ending:
        ending.enter_context(running("receive", "--database", path, "--site", SITE, *broker))
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
        with open_database(str(path), make=False) as database:
            person = add_person(database, "Wati", "supervisor", "")
            secret = begin_session(database, person)
        serving = ("serve", "--database", path, "--listen", f"127.0.0.1:{port}", "--no-link", *tls, *offering, *broker)
        port_of(ending.enter_context(running(*serving)))
        trusting = ssl.create_default_context(cafile=ca_file)
        cookies = {"__Host-kardus": secret}
        client = httpx2.Client(base_url=url, verify=trusting, cookies=cookies, timeout=PATIENCE_S)
        yield Page(ending.enter_context(client), csrf_of(secret)), path, ca_file


def test_a_bundle_that_is_offered_on_the_page_is_taken_by_an_agent_and_taken_back(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with served(tmp_path, mosquitto) as (page, path, ca_file), WmsSide(mosquitto.port) as wms:
        box = Box(tmp_path / "box", mosquitto.port, wms, 0.5, ca_file)
        new = made(NEW)
        new.write(tmp_path / "bundles" / f"{NEW}.bundle")
        (tmp_path / "bundles" / f"{OLD}.bundle").write_bytes((box.folder / "configured.bundle").read_bytes())
        box.start()
        page.wait_for(rf"\bbox {NAME} {re.escape(OLD)}\b")
        page.send(**{"do": "offer", "bundle": hashlib.sha256(new.data).hexdigest(), "agent:box": "on"})
        box.wait_for("settled", NEW)
        page.wait_for(f"Back to {NAME} {OLD}")
        before = len(wms.messages)
        page.send(**{"back:box": "1"})
        wms.wait_for(lambda: _settled(wms, before) == OLD)
        page.wait_for(rf"\bbox {NAME} {re.escape(OLD)}\b")
        assert box.agent.terminate()[0] == 0
        with open_database(str(path), make=False) as database, database.reading() as connection:
            noted = [
                (row.action, row.subject, row.detail)
                for row in connection.execute(select(audit))
                if row.subject == "box"
            ]
    assert noted == [
        ("offer-model", "box", f"{NAME} {OLD} to {NAME} {NEW}"),
        ("model-back", "box", f"{NAME} {NEW} to {NAME} {OLD}"),
    ]


def _settled(wms: WmsSide, begin: int) -> str:
    """The version that the agent has settled for since then; empty: none yet."""
    said = [said["data"] for topic, said in list(wms.messages)[begin:] if topic.endswith("/box/model")]
    return str(said[-1]["model"]["version"]) if said and said[-1]["phase"] == "settled" else ""
