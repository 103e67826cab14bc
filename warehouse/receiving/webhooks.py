"""Posts every new alert to an HTTP server: kept in the database until delivered, in order for each location.

New alerts are found among the stored events by their number, so that it doesn't matter which of several receivers
stored one. Any of them may deliver: an alert being delivered is leased to one receiver for ALERT_LEASE_S.
"""

import json
import logging
import time
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import Connection, Select, delete, func, select, update

from kardus.support.backoff import backoff_s
from kardus.support.errors import UsageError
from kardus.support.exchange import Exchanges, Trace
from kardus.support.worker import Worker
from warehouse.signing import signed_headers
from warehouse.store.database import Database, StoreError, read_meta, write_meta
from warehouse.store.events import last_event_number
from warehouse.store.tables import events, webhooks
from warehouse.store.waits import MAX_PAUSE_S, MAX_WAIT_S, is_over

REQUEST_TIMEOUT_S = 10.0
"""For all of it, from the name's resolution to the answer's status."""
STOP_GRACE_S = 2.0
"""A request that is under way when the receiver is stopped may still be answered for so long."""
ALERT_LEASE_S = 60.0
"""Longer than a request may take; the alert of a receiver killed during delivery is sent again after this."""
ALERT_POLL_S = 0.5
EVENTS_PER_ROUND = 500
_ALERT_TYPE = "kardus.alert.opened"
_CURSOR = "webhooks_from"
_HTTP_OK = range(200, 300)
log = logging.getLogger("kardus.webhooks")


@dataclass(frozen=True)
class WebhookEndpoint:
    """The address that alerts are posted to, and the key that they are signed with."""

    url: str
    key: bytes

    def __post_init__(self) -> None:
        """Validate the address.

        Raises:
            UsageError: it isn't one, or holds a password.
        """
        try:
            address = httpx2.URL(self.url)
            address.host.encode("idna")  # as the resolver will
        except (httpx2.InvalidURL, ValueError) as error:
            raise UsageError(f"--webhook: not an address ({error}): give http:// or https://") from error
        if address.scheme not in {"http", "https"} or not address.host:
            raise UsageError("--webhook: not an address: give http:// or https:// and a host")
        if address.userinfo:
            raise UsageError("--webhook: leave name and password out of the address: requests are signed instead")


@dataclass(frozen=True)
class _PendingAlert:
    number: int
    id: str
    body: bytes
    tries: int


class WebhookDelivery(Worker):
    """Delivers in one thread; receiving doesn't wait for it. What wasn't delivered when it stops, stays."""

    def __init__(self, database: Database, webhook: WebhookEndpoint) -> None:
        """Alerts that are new from the first time that webhooks are wanted are delivered; `start` begins.

        Raises:
            StoreError: the database can't be written.
        """
        super().__init__("webhooks")
        self._database = database
        self._webhook = webhook
        self._exchanges = Exchanges(self._stopping, STOP_GRACE_S)
        self._failures = 0
        with database.writing() as connection:
            if read_meta(connection, _CURSOR) is None:
                write_meta(connection, _CURSOR, str(last_event_number(connection)))

    def _run(self) -> None:
        # the machine's proxy settings hold: a webhook may leave the site
        with httpx2.Client(timeout=REQUEST_TIMEOUT_S, follow_redirects=False) as client:
            while not self._stopping.wait(self._pause_s()):
                try:
                    while self._take_up():
                        pass
                    while not self._stopping.is_set() and (pending := self._claim()):
                        if not self._deliver(client, pending):
                            break
                except StoreError as error:
                    log.warning("the database can't be used now: %s", error)

    def _pause_s(self) -> float:
        """After failures of the server as a whole: longer each time, with full jitter."""
        return ALERT_POLL_S + (backoff_s(self._failures, first_s=1, cap_s=MAX_PAUSE_S) if self._failures else 0)

    def _take_up(self) -> bool:
        """Queue the alerts that are new among the next events; whether there may be more."""
        with self._database.reading() as connection:
            if last_event_number(connection) <= _cursor(connection):
                return False
        with self._database.writing() as connection:
            cursor = _cursor(connection)
            e = events.c
            chosen = select(e.number, e.alert, e.location, e.agent, e.payload).where(e.number > cursor)
            rows = connection.execute(chosen.order_by(e.number).limit(EVENTS_PER_ROUND)).fetchall()
            for number, alert, location, agent, payload in rows:
                if alert is not None and _is_first(connection, number, alert):
                    _enqueue(connection, alert, location, agent, json.loads(payload))
            last = rows[-1][0] if rows else cursor
            write_meta(connection, _CURSOR, str(last))
        return len(rows) == EVENTS_PER_ROUND

    def _claim(self) -> _PendingAlert | None:
        """The oldest that is due, of those that are the first of their location."""
        now = time.time()
        with self._database.reading() as connection:
            if connection.execute(_due(now)).first() is None:
                return None
        with self._database.writing() as connection:
            row = connection.execute(_due(now)).first()
            if row is None:
                return None
            this = update(webhooks).where(webhooks.c.number == row.number)
            connection.execute(this.values(due=now + ALERT_LEASE_S, tries=webhooks.c.tries + 1))
        return _PendingAlert(row.number, row.id, row.body, row.tries)

    def _deliver(self, client: httpx2.Client, pending: _PendingAlert) -> bool:
        """Send one; False where the server takes nothing at all just now."""
        problem, is_refusal = self._send(client, pending)
        if not problem:
            self._failures = 0
            with self._database.writing() as connection:
                connection.execute(delete(webhooks).where(webhooks.c.number == pending.number))
            return True
        if self._stopping.is_set():
            self._postpone(pending, 0)
            return False
        pause_s = ALERT_POLL_S + backoff_s(pending.tries + 1, first_s=1, cap_s=MAX_PAUSE_S)
        log.warning("alert %s isn't taken by the webhook (%s): again in %.0f s", pending.id, problem, pause_s)
        self._failures = 0 if is_refusal else self._failures + 1
        self._postpone(pending, pause_s)
        return is_refusal

    def _postpone(self, pending: _PendingAlert, pause_s: float) -> None:
        with self._database.writing() as connection:
            this = update(webhooks).where(webhooks.c.number == pending.number)
            connection.execute(this.values(due=time.time() + pause_s))

    def _send(self, client: httpx2.Client, pending: _PendingAlert) -> tuple[str, bool]:
        """What was wrong, empty where nothing was; and whether the server refuses this one only."""
        headers = signed_headers(self._webhook.key, pending.id, int(time.time()), pending.body)
        headers["content-type"] = "application/json"

        def post(trace: Trace) -> int:
            extensions = {"trace": trace}
            url = self._webhook.url
            with client.stream("POST", url, content=pending.body, headers=headers, extensions=extensions) as answer:
                return answer.status_code  # its body is of no interest, and may be endless

        try:
            code = self._exchanges.run(post, REQUEST_TIMEOUT_S)
        except (httpx2.HTTPError, TimeoutError) as error:
            return str(error) or type(error).__name__, False
        busy = code in {httpx2.codes.REQUEST_TIMEOUT, httpx2.codes.TOO_MANY_REQUESTS}
        return ("" if code in _HTTP_OK else f"it answers {code}"), 400 <= code < 500 and not busy  # noqa: PLR2004


def _due(now: float) -> Select[tuple[int, str, bytes, int]]:
    """The oldest that is due, of those that are the first of their location."""
    w = webhooks.c
    firsts = select(func.min(w.number)).group_by(w.location)
    is_due = is_over(w.due, now, MAX_WAIT_S)
    return select(w.number, w.id, w.body, w.tries).where(is_due, w.number.in_(firsts)).order_by(w.number).limit(1)


def _cursor(connection: Connection) -> int:
    return int(read_meta(connection, _CURSOR) or 0)


def _is_first(connection: Connection, number: int, alert: str) -> bool:
    """Whether no event before told of the alert."""
    earlier = select(events.c.number).where(events.c.alert == alert, events.c.number < number).limit(1)
    return connection.execute(earlier).first() is None


def _enqueue(connection: Connection, alert: str, location: str, agent: str, event: dict[str, Any]) -> None:
    if event["data"]["alert"]["status"] != "open":
        return  # known or over before it was heard of
    if connection.execute(select(webhooks.c.number).where(webhooks.c.id == alert)).first() is not None:
        return
    body = {"type": _ALERT_TYPE, "timestamp": event["time"], "agent": agent, "data": event["data"]}
    text = json.dumps(body, ensure_ascii=False).encode()
    connection.execute(webhooks.insert().values(id=alert, location=location, body=text))
