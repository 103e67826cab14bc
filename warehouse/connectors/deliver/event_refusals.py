"""Refusals of single events, for a target that takes one event at a time."""

from collections.abc import Callable, Sequence

from kardus.support.control_characters import one_line
from warehouse.connectors.deliver.target import Outgoing, Refusals


class EventRefusedError(Exception):
    """This event isn't taken. The next one may be."""

    def __init__(self, text: str) -> None:
        """Keep what is said, a server's own words among it, as one line."""
        super().__init__(one_line(text))


def send_each(events: Sequence[Outgoing], tell: Callable[[Outgoing], None]) -> Refusals:
    """Send one event after another; why some weren't taken."""
    refused = {}
    for one in events:
        try:
            tell(one)
        except EventRefusedError as error:
            refused[one.number] = str(error)
    return refused
