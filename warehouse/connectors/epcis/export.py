"""`kardus-wms export`: what is stored, as an EPCIS document."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kardus.support.errors import DataError
from kardus.support.files import require_file_target
from warehouse.connectors.epcis.document import write_document
from warehouse.connectors.epcis.events import NotExpressibleError, object_event
from warehouse.connectors.epcis.mapping import Identifiers, read_identifiers
from warehouse.store.address import DatabaseAddress
from warehouse.store.reader import StoredEvent, StoreReader

REASONS_NAMED = 5


@dataclass
class ExportedEvents:
    """What became of the stored events."""

    written: int = 0
    """Events in the document."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many were left out, by the reason."""

    def summary(self) -> list[str]:
        """A line of its own for each of the most frequent reasons, and one for the rest."""
        lines = [f"{count} left out: {reason}" for reason, count in self.left_out.most_common(REASONS_NAMED)]
        rest = self.left_out.total() - sum(count for _, count in self.left_out.most_common(REASONS_NAMED))
        return [*lines, f"{rest} left out for {len(self.left_out) - REASONS_NAMED} other reasons"] if rest else lines


def export_epcis(
    database: DatabaseAddress,
    target: Path,
    mapping: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> ExportedEvents:
    """Write every stored event that EPCIS has words for; `since` and `until` are of the pictures, naive in the zone.

    Raises:
        KardusError: database or mapping can't be read, or the file can't be written.
    """
    require_file_target("--epcis", target)
    identifiers = read_identifiers(mapping)
    first, last = _moment(identifiers, since), _moment(identifiers, until)
    exported = ExportedEvents()
    with StoreReader.open(database) as reader:
        chosen = (
            stored
            for stored in _all(reader)
            if (first is None or stored.event.captured >= first) and (last is None or stored.event.captured < last)
        )
        exported.written = write_document(target, _expressed(chosen, identifiers, exported), datetime.now(UTC))
    return exported


def _moment(identifiers: Identifiers, clock: datetime | None) -> datetime | None:
    try:
        return identifiers.zone.read(clock) if clock is not None else None
    except (OverflowError, ValueError) as error:
        raise DataError(f"{clock}: lies outside the calendar") from error


def _all(reader: StoreReader) -> Iterator[StoredEvent]:
    number = 0
    while events := reader.events(after=number):
        yield from events
        number = events[-1].number


def _expressed(
    events: Iterator[StoredEvent], identifiers: Identifiers, exported: ExportedEvents
) -> Iterator[dict[str, Any]]:
    for stored in events:
        try:
            yield object_event(stored.envelope.id, stored.event, identifiers)
        except NotExpressibleError as reason:
            exported.left_out[str(reason)] += 1
