"""Each kind of target with what stands in for the other side, behind one interface for the contract suite."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from standardwebhooks import Webhook

from tests.patience import PATIENCE_S
from tests.warehouse.connectors.deliver.epcis_stand_in import EpcisStandIn
from tests.warehouse.connectors.deliver.odoo_stand_in import KEY, LOGIN, OdooStandIn
from tests.warehouse.connectors.deliver.served import Answer, Asked, Server, Service, served
from tests.warehouse.connectors.deliver.tryton_stand_in import TrytonStandIn
from tests.warehouse.connectors.epcis.making import GLN, MILK, TEA

PLACES = tuple(f"A-{n}" for n in range(8))
PRODUCTS = ("Tea", "Milk")
Told = list[tuple[str, str]]
"""Location and product seen."""


class Rig(Protocol):
    """One kind."""

    text: str
    """The target's table in the file."""

    @property
    def server(self) -> Server | None:
        """Where it is served over HTTP."""

    def told(self) -> Told:
        """What the other side knows, in order for each location; what it was told twice is there once."""

    def refuse(self, location: str) -> None:
        """Take nothing of a location any more."""

    def allow(self) -> None:
        """Take everything again."""


def private(folder: Path, name: str, text: str) -> Path:
    """A file that nobody else can read."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


class WebhookService:
    """Checks signatures, and knows a message by its id."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.before: Callable[[str], None] = lambda _: None
        """Called with the location before the answer."""

    def answer(self, asked: Asked) -> Answer:
        """422 for a location that isn't taken."""
        Webhook(b"k" * 32).verify(asked.body, asked.headers, json_parse=False)
        location = asked.json["data"]["location"]
        if location in self.refused:
            return Answer(422)
        self.bodies.setdefault(asked.headers["webhook-id"], asked.json)
        self.before(location)
        return Answer(202)


class WebhookRig:
    """A receiver of webhooks."""

    def __init__(self, folder: Path, server: Server, service: WebhookService) -> None:
        self.server = server
        self.service = service
        secret = private(folder, "secret", "k" * 32)
        self.text = f'kind = "webhook"\nurl = "{server.url}/alerts"\nsecret_file = "{secret}"\nwhat = "alerts"\n'

    def told(self) -> Told:
        """By the ids."""
        bodies = [body["data"] for body in self.service.bodies.values()]
        return [(data["location"], data["seen"]["sku"]) for data in bodies]

    def refuse(self, location: str) -> None:
        """422."""
        self.service.refused.add(location)

    def allow(self) -> None:
        """202."""
        self.service.refused.clear()


class TrytonRig:
    """Tryton's stand-in: a location that it doesn't know can't be counted."""

    def __init__(self, folder: Path, server: Server, service: TrytonStandIn) -> None:
        self.server: Server | None = server
        self.service = service
        self._rows = list(service.tables["stock.location"])
        password = private(folder, "password", "word")
        self.text = f'kind = "tryton"\nurl = "{server.url}"\ndatabase = "wms"\nuser = "kardus"\nwarehouse = "WH"\n'
        self.text += f'password_file = "{password}"\n'

    def told(self) -> Told:
        """The drafts."""
        counts = self.service.counts()
        return [(place, sku) for place, found in counts for sku, quantity in found.items() if quantity]

    def refuse(self, location: str) -> None:
        """It isn't there."""
        rows = [row for row in self._rows if row["code"] != location]
        self.service.tables["stock.location"] = rows

    def allow(self) -> None:
        """It is there again."""
        self.service.tables["stock.location"] = self._rows


class OdooRig:
    """Odoo's stand-in, likewise."""

    def __init__(self, folder: Path, server: Server, service: OdooStandIn) -> None:
        self.server: Server | None = server
        self.service = service
        self._rows = list(service.tables["stock.location"])
        key = private(folder, "key", KEY)
        self.text = f'kind = "odoo"\nversion = {service.version}\nurl = "{server.url}"\ndatabase = "wms"\n'
        self.text += f'user = "{LOGIN}"\npassword_file = "{key}"\n'

    def told(self) -> Told:
        """Counted quantities that wait."""
        return [(place, sku) for place, sku, quantity in self.service.counts() if quantity]

    def refuse(self, location: str) -> None:
        """It isn't there."""
        rows = [row for row in self._rows if row["complete_name"] != location]
        self.service.tables["stock.location"] = rows

    def allow(self) -> None:
        """It is there again."""
        self.service.tables["stock.location"] = self._rows


class EpcisRig:
    """The repository."""

    def __init__(self, folder: Path, server: Server, service: EpcisStandIn) -> None:
        self.server: Server | None = server
        self.service = service
        (folder / "products.csv").write_text(f"sku,gtin\nTea,{TEA}\nMilk,{MILK}\n", encoding="utf-8")
        (folder / "epcis.toml").write_text(f'gln = "{GLN}"\nproducts = "products.csv"\n', encoding="utf-8")
        self.text = f'kind = "epcis"\nurl = "{server.url}"\nmapping = "epcis.toml"\n'

    def told(self) -> Told:
        """Read points and classes."""
        names = {f"https://id.gs1.org/01/{gtin}": sku for gtin, sku in ((TEA, "Tea"), (MILK, "Milk"))}
        return [
            (event["readPoint"]["id"].rpartition("/")[2], names[event["quantityList"][0]["epcClass"]])
            for event in self.service.events.values()
        ]

    def refuse(self, location: str) -> None:
        """A read point that isn't taken."""
        self.service.refused.add(location)

    def allow(self) -> None:
        """Taken again."""
        self.service.refused.clear()


class KafkaRig:
    """librdkafka's mock cluster: brokers in this process that any client may use. It refuses what is too large."""

    server: Server | None = None
    LIMIT = 10_000
    LONG = "r" * 20_000

    def __init__(self) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1})
        self.bootstrap = str(next(iter(self._cluster.list_topics(timeout=PATIENCE_S).brokers.values()))).partition("/")[
            0
        ]
        self.allow()

    def told(self) -> Told:
        """What a consumer reads, from the beginning."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test", "log_level": 0})
        found: dict[str, tuple[str, str]] = {}
        try:
            topic = consumer.list_topics("kardus", timeout=PATIENCE_S).topics["kardus"]
            parts = [TopicPartition("kardus", number, 0) for number in topic.partitions]
            left = sum(consumer.get_watermark_offsets(part, timeout=PATIENCE_S)[1] for part in parts)
            consumer.assign(parts)
            while left and (message := consumer.poll(PATIENCE_S)) is not None:
                event = json.loads(message.value() or b"")
                assert message.key() == event["data"]["location"].encode()
                found.setdefault(event["id"], (event["data"]["location"], event["data"]["seen"]["sku"]))
                left -= 1
        finally:
            consumer.close()
        return list(found.values())

    def refuse(self, location: str) -> None:  # noqa: ARG002 - it refuses by length
        """Whatever is long."""
        self.text = f'{self._head()}options = {{ "message.max.bytes" = {self.LIMIT} }}\n'

    def allow(self) -> None:
        """Long ones too."""
        self.text = self._head()

    def _head(self) -> str:
        return f'kind = "kafka"\nbootstrap = "{self.bootstrap}"\ntopic = "kardus"\n'


@contextmanager
def rig_of(kind: str, folder: Path) -> Iterator[Rig]:
    """One kind, not up yet where it is served."""
    if kind == "kafka":
        yield KafkaRig()
        return
    kinds: dict[str, Callable[[], Service]] = {
        "webhook": WebhookService,
        "epcis": EpcisStandIn,
        "tryton": lambda: TrytonStandIn(PLACES, PRODUCTS),
        "odoo16": lambda: OdooStandIn(16, PLACES, PRODUCTS),
        "odoo19": lambda: OdooStandIn(19, PLACES, PRODUCTS),
    }
    service = kinds[kind]()
    with served(service) as server:
        match service:
            case WebhookService():
                yield WebhookRig(folder, server, service)
            case EpcisStandIn():
                yield EpcisRig(folder, server, service)
            case TrytonStandIn():
                yield TrytonRig(folder, server, service)
            case OdooStandIn():
                yield OdooRig(folder, server, service)
