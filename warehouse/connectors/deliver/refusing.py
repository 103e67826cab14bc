"""How a target that takes one event at a time says that it refuses this one."""

from collections.abc import Callable, Sequence

from warehouse.connectors.deliver.target import Outgoing, Refusals


class EventRefusedError(Exception):
    """This event isn't taken: one line. The next one may be."""


def each(events: Sequence[Outgoing], tell: Callable[[Outgoing], None]) -> Refusals:
    """Tell of one after another; why some weren't taken."""
    refused = {}
    for one in events:
        try:
            tell(one)
        except EventRefusedError as error:
            refused[one.number] = str(error)
    return refused
