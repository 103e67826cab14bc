"""Keeps a target held while it is told, or left alone: both may last longer than a lease."""

import logging

from kardus.support.worker import Poller
from warehouse.connectors.deliver.queue import RENEW_S, DeliveryQueue
from warehouse.store.database import StoreError

log = logging.getLogger("kardus.deliver")


class LeaseRenewal(Poller):
    """Renews the lease by which this process holds one target."""

    def __init__(self, name: str, queue: DeliveryQueue) -> None:
        """Prepare; `start` begins."""
        super().__init__(f"hold {name}", RENEW_S / 2)
        self._name, self._queue = name, queue

    def poll(self) -> None:
        """Renew it. Where the database is away, whoever delivers says so, and nobody else can take it over either."""
        try:
            self._queue.renew()
        except StoreError as error:
            log.debug("%s: can't be held on to now: %s", self._name, error)
