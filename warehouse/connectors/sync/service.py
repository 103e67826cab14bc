"""`kardus-wms sync`: keeps the retained expectations equal to the WMS's stock, until it is stopped."""

import contextlib
import logging
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from kardus.contract.messages import Expected
from kardus.mqtt.settings import BrokerSettings
from kardus.support.backoff import backoff_s
from kardus.support.errors import BrokerError
from kardus.support.health_page import HealthPage
from kardus.support.signals import call_on_signals
from kardus.support.systemd import notify
from warehouse.connectors.signs_of_life import SignsOfLife
from warehouse.connectors.sync.answer_clock import AnswerClock
from warehouse.connectors.sync.broker_watch import BrokerWatch, Presence
from warehouse.connectors.sync.drain import DrainGuard, level_of
from warehouse.connectors.sync.health import SyncStatus, report
from warehouse.connectors.sync.memory import SyncMemory
from warehouse.connectors.sync.reconcile import Plan, plan
from warehouse.connectors.sync.settings import SyncSettings
from warehouse.connectors.sync.source import SourceError, StockSource
from warehouse.stock.publishing import StockChange, publish_changes
from warehouse.stock.read_back import read_by_name, read_expected, read_listed

RECHECK_S = 3600.0
"""So often the broker is asked what it holds, and whenever a connection was lost: somebody else may have changed or
cleared it."""
LOSS_PAUSE_S = 1.0
"""After a lost connection it is asked again after so long: a broker may lose one after the other."""
MAX_BACKOFF_S = 60.0
PROBLEMS_NAMED = 5
_NUMBER = re.compile(r"^(?:lines?|row) [0-9]+(?: and [0-9]+)?: ")
"""A database may give the same rows in another order each time."""
log = logging.getLogger("kardus.sync")


class Sync:
    """One source, one site. Used by one thread."""

    def __init__(
        self,
        broker: BrokerSettings,
        site: str,
        settings: SyncSettings,
        source: StockSource,
        stopping: threading.Event | None = None,
        *,
        memory: SyncMemory | None = None,
    ) -> None:
        """Prepare; nothing is asked yet. A question that is broken off once `stopping` is set is no problem.

        Raises:
            KardusError: the memory can't be used.
        """
        self._broker, self._site, self._settings, self._source = broker, site, settings, source
        self._stopping = stopping or threading.Event()
        self._known: dict[str, Expected] = {}
        self._known_since_s = float("-inf")
        self._known_by: Presence | None = None
        """The connection that stood when the broker was asked what it holds."""
        self._is_blind = False
        self.woken = threading.Event()
        """Set when the connection to the broker is lost: what is known of it may not be true any more."""
        self._watch = BrokerWatch(broker, self.woken.set)
        self._memory = memory or SyncMemory(None, site)
        self._remembers = bool(self._memory.locations)
        """Whether what was published before this start is known."""
        self._drain = DrainGuard(settings.drained_within_s, settings.most_drained, self._memory.levels)
        self._unclear: dict[str, str] = {}
        self._answers = AnswerClock()
        self.status = SyncStatus()
        """How it went at the end of the last round."""
        self.left_alone_s = 0.0
        """For how long the WMS wants to be asked nothing, by its last answer."""

    def round(self, *, confirmed: bool = False) -> Plan | None:
        """Ask once, and publish what has changed; None: it failed, `status` says why."""
        self.status.rounds += 1
        try:
            found = self._followed(confirmed=confirmed)
        except (SourceError, BrokerError) as error:
            if self._stopping.is_set():
                return None
            self._note(str(error))
            self.left_alone_s = error.retry_after_s if isinstance(error, SourceError) else 0.0
            return None
        self.left_alone_s = 0.0
        self._note(found.held)
        return found

    def current_status(self) -> SyncStatus:
        """How it goes just now, for whoever watches it from another thread: an answer may be late."""
        late = self._answers.problem()
        return replace(self.status, problem=f"{self._source.name}: {late}") if late else self.status

    def _followed(self, *, confirmed: bool) -> Plan:
        with self._answers.running():
            snapshot = self._source.read()
        present = self._watch.presence()
        if present != self._known_by or time.monotonic() - self._known_since_s > RECHECK_S:
            self._look_up(snapshot.managed)
            self._known_by = present
        now_s = time.time()
        found = plan(snapshot, self._known, int(1000 * now_s), self._settings.rules, confirmed=confirmed)
        if found.changes and not confirmed:
            after = self._known | {change.location: change.expected for change in found.changes}
            levels = (level_of(self._known.values(), now_s), level_of(after.values(), now_s))
            found = self._drain.checked(found, *levels)
        self._count_plan(found)
        if found.held:
            self._memory.keep(self._memory.locations, self._drain.levels)
        if found.changes:
            self._publish(found.changes)
        if not found.held:
            self._drain.note(level_of(self._known.values(), now_s), afresh=confirmed)
            managed = {code for code, expected in self._known.items() if expected.managed}
            unseen = self._memory.locations - self._known.keys()  # a broker that was slow may still hold them
            self._memory.keep(managed | unseen, self._drain.levels)
        return found

    def _publish(self, changes: Sequence[StockChange]) -> None:
        self._memory.add({change.location for change in changes if change.expected.managed})
        try:
            publish_changes(self._broker, self._site, changes, self._known)
        except BrokerError:
            self._known_since_s = float("-inf")  # some may have arrived
            raise
        self._known |= {change.location: change.expected for change in changes}
        self.status.published += len(changes)
        log.info("%d expectations published", len(changes))

    def _look_up(self, managed: tuple[str, ...]) -> None:
        retained = read_expected(self._broker, self._site)
        remembered = read_by_name(self._broker, self._site, sorted(self._memory.locations - retained.found.keys()))
        listed = dict.fromkeys((*managed, *self._known))
        lacking = [code for code in listed if code not in retained.found and code not in self._memory.locations]
        by_name = remembered.found | read_listed(self._broker, self._site, lacking)
        self._memory.forget(remembered.lacking)
        self._known = retained.found | by_name
        self._known_since_s = time.monotonic()
        self._drain.begin(level_of(self._known.values(), time.time()))
        self._note_hidden(len(by_name), is_blind=bool(by_name) or not retained.is_complete)

    def _note_hidden(self, hidden: int, *, is_blind: bool) -> None:
        """What no list names, no wildcard shows and nobody remembers can't be found: it is said, once."""
        if is_blind and not (self._is_blind or self._remembers):
            log.warning(
                "%s: the broker hides what it retains from a wildcard subscription (%d locations at least): those that "
                "the WMS gave up while this command was down stay managed: clear their topics under %s/expected/ by "
                "hand, let the broker queue more for a client (docs/brokers.md), and give --memory for the next time",
                self._broker.address,
                hidden,
                self._site,
            )
        self._is_blind, self.status.hidden = is_blind, hidden

    def close(self) -> None:
        """Let go of the broker and the memory."""
        self._watch.close()
        self._memory.close()

    def _count_plan(self, found: Plan) -> None:
        status = self.status
        status.managed, status.elsewhere = found.managed, found.elsewhere
        told, self._unclear = self._unclear, {_NUMBER.sub("", problem): problem for problem in found.problems}
        new = [problem for key, problem in self._unclear.items() if key not in told]
        for problem in new[:PROBLEMS_NAMED]:
            log.warning("%s: %s: that location stays as it is", self._source.name, problem)
        if len(new) > PROBLEMS_NAMED:
            log.warning("%s: %d more rows are unclear", self._source.name, len(new) - PROBLEMS_NAMED)
        status.unclear = len(found.problems)

    def _note(self, problem: str) -> None:
        status = self.status
        if problem and problem != status.problem:
            log.error("%s: nothing is published; it is asked again", problem)
        elif not problem and status.problem:
            log.info("%s: answers again", self._source.name)
        status.problem = problem
        status.failures = status.failures + 1 if problem else 0
        if not problem:
            status.equal_unix_s = time.time()


def run_sync(
    broker: BrokerSettings,
    site: str,
    settings: SyncSettings,
    source: StockSource,
    seconds: float | None,
    *,
    confirmed: bool,
    memory: Path | None,
    health: tuple[str, int] | None,
    as_json: bool,
) -> SyncStatus:
    """Follow the WMS until a signal, or for so many seconds. `confirmed` holds for the first answer that is taken.

    Raises:
        KardusError: the memory's file can't be used, or the health page's address can't be listened to.
    """
    stopping = threading.Event()
    call_on_signals((signal.SIGTERM, signal.SIGINT), stopping.set)
    deadline_s = time.monotonic() + seconds if seconds else float("inf")
    sync = Sync(broker, site, settings, source, stopping, memory=SyncMemory(memory, site))
    with contextlib.ExitStack() as stack:
        if health is not None:
            stack.enter_context(HealthPage(*health, lambda: report(sync.current_status(), broker.certificate_file)))
        stack.enter_context(SignsOfLife(lambda: _signs_of(sync.current_status()), as_json=as_json))
        threading.Thread(target=_stop_with, args=(stopping, sync.woken, source), name="stop", daemon=True).start()
        notify("READY=1")
        while not stopping.is_set() and time.monotonic() < deadline_s:
            if sync.round(confirmed=confirmed) is not None:
                confirmed = False
            pause_s = max(sync.left_alone_s, _pause_s(sync.status, settings))
            wait = source.wait if not sync.status.problem else _waited
            woken = stopping if sync.left_alone_s else sync.woken
            wait(woken, max(0.0, min(pause_s, deadline_s - time.monotonic())))
            if sync.woken.is_set():
                stopping.wait(max(0.0, min(LOSS_PAUSE_S, deadline_s - time.monotonic())))
                sync.woken.clear()  # before it is looked whether to stop, which sets it, too
        notify("STOPPING=1")
        sync.close()
        source.close()
    return sync.status


def _stop_with(stopping: threading.Event, woken: threading.Event, source: StockSource) -> None:
    stopping.wait()
    woken.set()
    source.stop()


def _pause_s(status: SyncStatus, settings: SyncSettings) -> float:
    if not status.problem:
        return settings.poll_s
    return min(settings.poll_s, backoff_s(status.failures, first_s=1.0, cap_s=MAX_BACKOFF_S))


def _waited(stopping: threading.Event, seconds: float) -> None:
    stopping.wait(seconds)


def _signs_of(status: SyncStatus) -> tuple[str, dict[str, object]]:
    return status.problem or f"{status.managed} locations follow the WMS", asdict(status)
