"""An independent receiver: stores every event in SQLite, by its id, before it acknowledges, and confirms to the agent.

It knows nothing of the project's own receiver, so that a mistake of the one doesn't hide in the other.
"""

import json
import queue
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kardus.contract.topics import Topics
from tests.faults.sender import AGENT, SITE
from tests.patience import PATIENCE_S

TOPICS = Topics(SITE, AGENT)
SESSION_S = 3600


class StoringReceiver:
    """Use it in a `with` statement; `leave` and `come_back` in between, as the broker's session allows."""

    def __init__(self, path: Path, port: int, *, confirms: bool = True, version: str = "5") -> None:
        """Make the database; `version` is MQTT's, "5" or "3.1.1"."""
        self._path, self._port, self._confirms = path, port, confirms
        self._is_5 = version == "5"
        self._incoming: queue.SimpleQueue[tuple[paho.Client, paho.MQTTMessage] | None] = queue.SimpleQueue()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE events (id TEXT PRIMARY KEY, epoch TEXT, sequence INTEGER, at_s REAL)")
            database.execute("CREATE INDEX by_sequence ON events (epoch, sequence)")
        database.close()
        self._contiguous_to: dict[str, int] = {}
        self.repeated = 0
        """Events that came again."""
        self.stored = 0
        self._subscribed, self._came = threading.Event(), threading.Event()
        self._writer: threading.Thread | None = None
        self._client: paho.Client | None = None

    def __enter__(self) -> Self:
        """Receive."""
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.leave()

    def come_back(self) -> None:
        """Connect, and again whenever the connection breaks."""
        if self._writer is not None:
            return
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            "referee",
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self._is_5 else False,
            manual_ack=True,
        )
        client.on_connect = self._subscribe
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_disconnect = lambda *_: self._subscribed.clear()
        client.on_message = lambda _client, _data, message: self._incoming.put((client, message))
        client.reconnect_delay_set(1, 1)
        options: dict[str, Any] = {}
        if self._is_5:
            kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            kept.SessionExpiryInterval = SESSION_S
            options = {"clean_start": False, "properties": kept}
        client.connect_async("127.0.0.1", self._port, 10, **options)
        client.loop_start()
        self._client = client

    def leave(self) -> None:
        """Disconnect; the broker keeps the session."""
        if self._client is None or self._writer is None:
            return
        self._client.disconnect()
        self._client.loop_stop()
        self._incoming.put(None)
        self._writer.join()
        self._client = self._writer = None

    @property
    def connected(self) -> bool:
        """Whether the broker has granted its subscription, over the present connection."""
        return self._subscribed.is_set()

    def wait_quiet(self) -> None:
        """Until nothing has come for a second."""
        while self._came.wait(1.0):
            self._came.clear()

    def newest(self) -> tuple[str, int]:
        """Epoch and sequence of what was stored last."""
        with sqlite3.connect(self._path, timeout=PATIENCE_S) as database:
            found = database.execute("SELECT epoch, sequence FROM events ORDER BY rowid DESC LIMIT 1").fetchone()
        database.close()
        return tuple(found) if found else ("", 0)

    def rows(self) -> list[tuple[str, str, int, float]]:
        """Id, epoch, sequence and arrival (monotonic) of every event, in the order of their storing."""
        with sqlite3.connect(self._path, timeout=PATIENCE_S) as database:
            found = database.execute("SELECT id, epoch, sequence, at_s FROM events ORDER BY rowid").fetchall()
        database.close()
        return found

    def _subscribe(self, client: paho.Client, *_: object) -> None:
        client.subscribe(TOPICS.events(None), 1)

    def _write(self) -> None:
        """The writing thread: a transaction for what has come, then the broker is told, then the agent."""
        database = sqlite3.connect(self._path, timeout=PATIENCE_S)
        while True:
            batch = [self._incoming.get()]
            while not self._incoming.empty() and len(batch) < 500:
                batch.append(self._incoming.get())
            come = [pair for pair in batch if pair is not None]
            self._came.set()
            events = [json.loads(message.payload) for _, message in come]
            with database:
                for event in events:
                    self._store(database, event)
            for client, message in come:
                client.ack(message.mid, message.qos)
            if self._confirms and come:
                self._confirm(come[-1][0], database, events)
            if len(come) < len(batch):
                break
        database.close()

    def _store(self, database: sqlite3.Connection, event: dict[str, Any]) -> None:
        data = event["data"]
        row = (event["id"], data["epoch"], data["sequence"], time.monotonic())
        new = database.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", row).rowcount
        self.stored += new
        self.repeated += 1 - new

    def _confirm(self, client: paho.Client, database: sqlite3.Connection, events: list[dict[str, Any]]) -> None:
        """Say what is stored: up to where without a gap, and the runs of what came now."""
        for epoch in {event["data"]["epoch"] for event in events}:
            to = self._contiguous_to.get(epoch, 0)
            while database.execute("SELECT 1 FROM events WHERE epoch = ? AND sequence = ?", (epoch, to + 1)).fetchone():
                to += 1
            self._contiguous_to[epoch] = to
            numbers = sorted({event["data"]["sequence"] for event in events if event["data"]["epoch"] == epoch})
            runs = [[n, n] for n in numbers if n > to]
            text = json.dumps({"epoch": epoch, "contiguous_to": to, "ranges": runs})
            client.publish(TOPICS.base + "/ack", text, qos=1, retain=True)
