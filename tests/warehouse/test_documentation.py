"""What docs/wms.md shows works."""

import base64
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.test_receiver import publish, wait_for
from warehouse.receiving.receiver import Receiver, ReceiverSettings
from warehouse.signing import signed_headers
from warehouse.store.opening import open_database

PAGE = (Path(__file__).parents[2] / "docs" / "wms.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_signature_check() -> None:
    space: dict[str, Any] = {}
    exec(BLOCKS[2], space)  # noqa: S102 - the page's own example
    is_genuine, key, now = space["is_genuine"], b"k" * 32, int(time.time())
    headers = signed_headers(key, "id", now, b"{}")
    assert is_genuine(key, headers, b"{}")
    assert is_genuine(f"whsec_{base64.b64encode(key).decode()}", headers, b"{}")
    assert not is_genuine(key, headers, b"{ }")
    assert not is_genuine(key, headers, b"\xff")
    assert not is_genuine(key, headers | {"webhook-signature": "v1"}, b"{}")
    assert not is_genuine(key, headers | {"webhook-signature": "v1,?"}, b"{}")
    assert not is_genuine(key, {}, b"{}")
    assert not is_genuine(key, signed_headers(key, "id", now - 400, b"{}"), b"{}")


def test_the_same_with_any_client(mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec(BLOCKS[1], space)  # noqa: S102 - the page's own example
    agent, client = Publisher(), space["client"]
    for _ in range(2):  # the second time it gets what came meanwhile
        client.connect("127.0.0.1", mosquitto.port)
        client.loop_start()
        wait_for(client.is_connected)
        mosquitto.wait_for_subscription("my-wms")
        publish(mosquitto, agent.events(5))
        reader = sqlite3.connect("events.sqlite")
        wait_for(lambda reader=reader: _ids(reader) == agent.ids)  # type: ignore[misc]
        reader.close()
        client.disconnect()
        client.loop_stop()
        publish(mosquitto, agent.events(5))
    space["database"].close()


def _ids(reader: sqlite3.Connection) -> list[str]:
    return [row[0] for row in reader.execute("SELECT id FROM events ORDER BY rowid")]


def test_the_library_as_shown(mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    agent = Publisher()
    booked: list[str] = []
    broker = ("127.0.0.1", mosquitto.port)
    code = BLOCKS[0].replace('"broker.local"', f'"{broker[0]}", {broker[1]}')

    class Enough(Exception):  # noqa: N818 - not an error
        """The example goes on for ever."""

    def wait_a_second() -> None:
        time.sleep(0.1)
        if not agent.ids:
            publish(mosquitto, agent.events(3))
        if len(booked) == 3:
            raise Enough

    space: dict[str, Any] = {
        "read_my_cursor": lambda: 0,
        "write_my_cursor": lambda _: None,
        "book": lambda *words: booked.append(words[2]),
        "wait_a_second": wait_a_second,
    }
    with Receiver(BrokerSettings(*broker), ReceiverSettings(SITE, tmp_path / "kardus.sqlite")) as first:
        wait_for(lambda: first.status().connected)
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
    with pytest.raises(Enough):
        exec(code, space)  # noqa: S102 - the page's own example
    assert booked == agent.ids


def test_every_table_is_described(tmp_path: Path) -> None:
    database = open_database(tmp_path / "k.sqlite", make=True)
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    database.close()
    for (name,) in rows:
        assert name.startswith("sqlite_") or f"`{name}`" in PAGE, name
