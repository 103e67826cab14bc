"""Requests for new products: folders that are carried to the signing workstation, and answers (contract.enrolment)."""

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, func, select

from kardus.contract.enrolment import ANSWER, REQUEST, EnrolmentAnswer, EnrolmentRequest
from warehouse.store.labels import STANDS, StatedTruth
from warehouse.store.tables import labels, pictures

MAX_PRODUCTS = 500
MAX_REQUESTS = 100
"""So many are shown, the newest."""
MAX_ANSWER_BYTES = 1_000_000
_ID = re.compile(r"[0-9a-f-]{36}")
_OF_PRODUCT = STANDS & (labels.c.truth == StatedTruth.PRODUCT.value)


@dataclass(frozen=True)
class Enrolment:
    """A request, and its answer."""

    id: str
    """The folder's name."""
    request: EnrolmentRequest
    answer: EnrolmentAnswer | None
    """None: the signing workstation hasn't answered, or its answer isn't back."""


def products_with_crops(connection: Connection) -> Sequence[tuple[str, int]]:
    """Products of which there are pictures that somebody said show them, with how many."""
    number = func.count()
    chosen = select(labels.c.sku, number).join(pictures, pictures.c.event == labels.c.event).where(_OF_PRODUCT)
    rows = connection.execute(chosen.group_by(labels.c.sku).order_by(labels.c.sku).limit(MAX_PRODUCTS))
    return [(sku, count) for sku, count in rows]


def newest_events(connection: Connection, sku: str, limit: int) -> list[str]:
    """The events of the newest of these pictures."""
    chosen = select(labels.c.event).join(pictures, pictures.c.event == labels.c.event)
    of_sku = chosen.where(_OF_PRODUCT, labels.c.sku == sku)
    return list(connection.execute(of_sku.order_by(labels.c.number.desc()).limit(limit)).scalars())


def enrolments_in(folder: Path) -> list[Enrolment]:
    """Every request in a folder, the newest first; what can't be read is left out."""
    names = sorted((path.name for path in folder.iterdir() if _ID.fullmatch(path.name)), reverse=True)
    return [one for name in names[:MAX_REQUESTS] if (one := _read(folder / name)) is not None]


def zipped(folder: Path, id_: str) -> bytes | None:
    """One request with its photos, to be carried to the signing workstation; None: there is none."""
    if not _ID.fullmatch(id_) or (found := _read(folder / id_)) is None:
        return None
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # JPEGs don't get smaller
            for file in (REQUEST, *(photo.file for photo in found.request.photos)):
                archive.writestr(f"{id_}/{file}", (folder / id_ / file).read_bytes())
    except OSError:
        return None  # somebody has deleted it meanwhile
    return buffer.getvalue()


def _read(folder: Path) -> Enrolment | None:
    try:
        request = EnrolmentRequest.model_validate_json((folder / REQUEST).read_bytes())
    except (OSError, ValidationError):
        return None
    return Enrolment(folder.name, request, _answer(folder / ANSWER))


def _answer(path: Path) -> EnrolmentAnswer | None:
    try:
        return (
            EnrolmentAnswer.model_validate_json(path.read_bytes()) if path.stat().st_size < MAX_ANSWER_BYTES else None
        )
    except (OSError, ValidationError):
        return None
