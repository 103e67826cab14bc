"""What the page's pictures show that the demo has not lived through: a month, pictures to label, a model on its way.

A drawn warehouse of two aisles, its store filled by the agents' own writer; cartons are those of the simulator.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from sqlalchemy import insert

from edge_agent.records.decisions import Finding
from kardus.contract.messages import Alert, Candidate, ExpectedStock, Model, Seen
from kardus.contract.model_status import Comparison, ModelStatus
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from simulator.catalogue import products
from simulator.dataset import draw_photo
from simulator.pictures import DrawnPictures
from tests.export.colours import colour_bundle
from tests.publishers import Message, Publisher
from tests.warehouse.console.serving import console_over, listening
from tests.warehouse.receiving.making import write
from tests.warehouse.teaching.judged import say
from warehouse.console.agents.bundles import Bundles
from warehouse.console.context import Console
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.store.opening import open_database
from warehouse.store.tables import coverage_days, offers

DAYS = 30
NOW = datetime.now(UTC)
AGENTS = ("aisle-a-left", "aisle-a-right", "aisle-b")
WRONG = {0: 3, 1: 4, 2: 2, 3: 5, 4: 3, 5: 1, 6: 0}
"""Discrepancies of each day of the week."""


@dataclass(frozen=True)
class Scene:
    """A server whose store is full."""

    console: Console
    port: int


@contextmanager
def month(folder: Path) -> Iterator[Scene]:
    """The warehouse after a month, on a real socket."""
    bundles, known = _bundles(folder / "bundles"), Products()
    for product in products():
        known.add(ProductPhoto(product.sku, product.category, _photo(product.sku, 0)))
    boxes = [Publisher(name) for name in AGENTS]
    with (
        open_database(folder / "month.sqlite", make=True) as database,
    ):
        for box in boxes:
            write(database, box.online())
        _fill(database, boxes)
        _say_models(database, boxes, bundles)
        console = console_over(database)
        with listening(console, PageSettings(products=known, bundles=bundles)) as port:
            yield Scene(console, port)


def _photo(sku: str, seed: int) -> Image.Image:
    pictures = DrawnPictures()
    name = next(one.name for one in pictures.stock() if one.sku == sku)
    return draw_photo(pictures, name, np.random.default_rng(seed), 200)


def _crop(sku: str, seed: int) -> bytes:
    buffer = io.BytesIO()
    _photo(sku, seed).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _fill(database: Database, boxes: list[Publisher]) -> None:
    """Thirty days of alerts, each put right, coverage of every day, what people said, and pictures to be labelled."""
    rng, skus = np.random.default_rng(7), [one.sku for one in products()]
    for ago in range(DAYS, 0, -1):
        day = NOW - timedelta(days=ago)
        for _ in range(WRONG[day.weekday()] + int(rng.integers(0, 3))):
            box, opened = boxes[int(rng.integers(0, 3))], day + timedelta(minutes=int(rng.integers(0, 480)))
            expected, seen = (skus[int(n)] for n in rng.choice(len(skus), 2, replace=False))
            _put_right(database, box, (expected, seen), opened, float(rng.gamma(4.0, 500.0)))
        _cover(database, day, rng)
    for n, code in enumerate(_codes()):
        write(database, boxes[n % 3].state(code, Verdict.MATCH, skus[n % len(skus)]))
    _ask(database, boxes[0], skus)


def _codes() -> list[str]:
    return [
        f"{aisle}-0{rack}-{level}-0{n}" for aisle in "AB" for rack in (1, 2) for level in (1, 2) for n in range(1, 6)
    ]


def _put_right(database: Database, box: Publisher, what: tuple[str, str], opened: datetime, lasted_s: float) -> None:
    """An alert that was opened, and closed by a later picture; somebody has judged many of them."""
    codes = [code for code in _codes() if code.startswith("B" if box.topics.agent == "aisle-b" else "A")]
    code, alert = codes[box.sequence % len(codes)], f"{box.topics.agent}-{box.sequence}"
    closed = opened + timedelta(seconds=lasted_s)
    standing = Alert(id=alert, status="open", opened=opened)
    over = Alert(id=alert, status="resolved", opened=opened, resolved=closed, duration_s=lasted_s)
    write(database, _told(box, code, Verdict.MISMATCH, what, opened, standing))
    write(database, box.picture(code, box.ids[-1], _crop(what[1], box.sequence)))
    truth = what[1] if box.sequence % 23 else what[0]
    say(database, box.ids[-1], StatedTruth.PRODUCT, truth)
    write(database, _told(box, code, Verdict.MATCH, (what[0], what[0]), closed, over))


def _told(
    box: Publisher, code: str, verdict: Verdict, what: tuple[str, str], moment: datetime, alert: Alert | None
) -> Message:
    expected, seen = what
    rest = (1 - 0.93) if verdict != Verdict.UNCERTAIN else 1 - 0.52
    top = (Candidate(sku=seen, likelihood=1 - rest), Candidate(sku=expected, likelihood=rest))
    found = Finding(
        code,
        verdict,
        "cam",
        moment,
        ExpectedStock(sku=expected, revision=1, age_s=0),
        Seen(sku=seen, name=seen, category="", confidence=1 - rest, top=top),
    )
    box.sequence += 1
    box.ids.append(uuid7())
    return box._writer.event(found, None, box.epoch, box.sequence, historical=False, alert=alert, event_id=box.ids[-1])


def _cover(database: Database, day: datetime, rng: np.random.Generator) -> None:
    with database.noting() as connection:
        for aisle in "AB":
            row = {"day": day.date().isoformat(), "kind": "aisle", "name": aisle, "total": 20}
            connection.execute(insert(coverage_days).values(**row, verified=20 - int(rng.integers(0, 4))))


def _ask(database: Database, box: Publisher, skus: list[str]) -> None:
    """Doubts with their pictures: siblings of one family."""
    for n, (expected, seen) in enumerate(((skus[0], skus[1]), (skus[1], skus[2]), (skus[3], skus[4]))):
        code = f"A-01-2-0{n + 1}"
        write(database, _told(box, code, Verdict.UNCERTAIN, (expected, seen), NOW - timedelta(minutes=9 * n), None))
        write(database, box.picture(code, box.ids[-1], _crop(seen, 40 + n)))


def _bundles(folder: Path) -> Bundles:
    folder.mkdir()
    key = Ed25519PrivateKey.generate()
    for version, day in (("2026.10.1", "2026-10-05"), ("2026.11.2", "2026-11-23")):
        named = {"name": "cartons", "version": version, "created": f"{day}T08:00:00+00:00"}
        colour_bundle(folder / f"cartons-{version}.bundle", [key], **named)
    return Bundles(folder, "https://kardus.example.com/")


def _say_models(database: Database, boxes: list[Publisher], bundles: Bundles) -> None:
    """One agent tries the new model beside the old one; one has it."""
    old, new = (
        next(one for one in bundles.every() if one.version == version) for version in ("2026.10.1", "2026.11.2")
    )
    now = datetime.now(UTC)
    candidate, trial = (
        Model(name="cartons", version=new.version),
        Comparison(crops=412, same=401, expected=398, by_present=386, by_other=391),
    )
    for n, box in enumerate(boxes):
        has = new if n == 2 else old
        words = {"phase": "shadowing", "candidate": candidate, "comparison": trial} if n == 1 else {"phase": "settled"}
        model, since = Model(name="cartons", version=has.version), now - timedelta(minutes=20 * (n + 1))
        status = ModelStatus(model=model, sha256=has.sha256, since=since, **words)
        write(database, box._writer.model_status(status))
        if n:
            offered = {"sha256": new.sha256, "title": new.title, "former_sha256": old.sha256, "former_title": old.title}
            with database.noting() as connection:
                at = now - timedelta(minutes=22 * (n + 1))
                row = {"at": at, "by": "Wati", "agent": box.topics.agent, "answer": "", **offered}
                connection.execute(insert(offers).values(**row))
