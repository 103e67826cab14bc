"""Asks for a new product, by crops that people have said to be of it (kardus.contract.enrolment).

The key that signs bundles stays at the signing workstation: what is made here is a folder that somebody carries there.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from kardus.contract.enrolment import MAX_PHOTOS, REQUEST, EnrolmentRequest, RequestedPhoto
from kardus.contract.manifest import class_name
from kardus.support.errors import DataError, UsageError
from kardus.support.files import appearing, require_new_folder
from kardus.support.identifiers import uuid7
from warehouse.store.database import Database
from warehouse.store.labels import STANDS, StatedTruth
from warehouse.store.pictures import PictureStore
from warehouse.store.tables import labels, pictures, present


def request_enrolment(
    database: Database, store: PictureStore, folder: Path, sku: str, *, name: str = "", events: Sequence[str] = ()
) -> EnrolmentRequest:
    """Write a request: whole, or not at all.

    Args:
        database: with the labels.
        store: its pictures.
        folder: is made.
        sku: the new product.
        name: its class; empty: the product's.
        events: whose crops are sent; none: the newest that somebody has said to be of it.

    Raises:
        UsageError: an event isn't labelled as this product, or there are too many; the folder is there already.
        DataError: no picture is left, or the disk doesn't take it.
        StoreError: the database or the pictures can't be read.
    """
    require_new_folder("FOLDER", folder)
    sku = class_name(sku)
    if len(set(events)) > MAX_PHOTOS:
        raise UsageError(f"--event: {len(set(events))} events are too many: choose {MAX_PHOTOS} at most")
    rows = _labelled(database, sku)
    chosen = [row for row in rows if row.event in events] if events else rows[:MAX_PHOTOS]
    missing = [event for event in events if event not in {row.event for row in chosen}]
    if missing:
        raise UsageError(f"--event {missing[0]}: nobody has said that it shows '{sku}', or its picture is gone")
    try:
        with appearing(folder) as building:
            return _write(building, store, chosen, sku, class_name(name) or sku)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}): check its rights and its space") from error


def _labelled(database: Database, sku: str) -> Sequence[Any]:
    """The labels that say that a picture, which is there, shows this product: the newest first."""
    chosen = select(labels.c.event, labels.c.by, pictures.c.number, pictures.c.file).join(
        pictures, pictures.c.event == labels.c.event
    )
    of_sku = chosen.where(STANDS, labels.c.truth == StatedTruth.PRODUCT.value, labels.c.sku == sku)
    with database.reading() as connection:
        return connection.execute(of_sku.order_by(labels.c.number.desc())).all()


def _write(building: Path, store: PictureStore, rows: Sequence[Any], sku: str, name: str) -> EnrolmentRequest:
    (building / "photos").mkdir()
    photos = []
    for row in rows:
        jpeg = store.read(row.file)
        if jpeg is None:
            continue
        file = f"photos/{row.number}.jpg"
        (building / file).write_bytes(jpeg)
        photos.append(RequestedPhoto(file=file, sha256=hashlib.sha256(jpeg).hexdigest(), event=row.event))
    if not photos:
        raise DataError(
            f"no picture is labelled as '{sku}' that is still there: say which show it, see docs/teaching.md"
        )
    by = ", ".join(sorted({row.by for row in rows}))[:200]
    request = EnrolmentRequest(id=uuid7(), name=name, sku=sku, by=by, made=present(), photos=tuple(photos))
    (building / REQUEST).write_text(request.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return request
