"""Writes an EPCIS document of any length: one event after another, whole or not at all."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from kardus.support.errors import DataError
from kardus.support.files import move_durably
from warehouse.connectors.epcis.events import CONTEXT


def envelope(created: datetime) -> dict[str, Any]:
    """A document without its events."""
    return {
        "@context": list(CONTEXT),
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": created.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "epcisBody": {"eventList": []},
    }


def document(events: Iterable[dict[str, Any]], created: datetime) -> dict[str, Any]:
    """A document of a few events."""
    whole = envelope(created)
    whole["epcisBody"]["eventList"] = list(events)
    return whole


def write_document(path: Path, events: Iterable[dict[str, Any]], created: datetime) -> int:
    """Write a document with an event a line, under its name only when it is whole; how many events.

    Raises:
        DataError: the disk doesn't take it; what was there stays as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            count = _write(file, events, created)
        move_durably(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(
            f"{path}: cannot be written ({error.strerror}): check the folder, its rights and its space"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _write(file: TextIO, events: Iterable[dict[str, Any]], created: datetime) -> int:
    before, after = json.dumps(envelope(created), ensure_ascii=False).split("[]", 1)
    file.write(before + "[")
    count = 0
    for count, event in enumerate(events, 1):
        file.write(("\n" if count == 1 else ",\n") + json.dumps(event, ensure_ascii=False))
    file.write("\n]" + after + "\n")
    return count
