"""Delivers to one target, in a thread of its own: a target that is away holds up no other."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from kardus.support.backoff import backoff_s
from kardus.support.worker import Worker
from warehouse.connectors.deliver.event_isolation import (
    PROBES,
    SUSPECT_AFTER,
    may_be_an_events_fault,
    send_singly,
)
from warehouse.connectors.deliver.queue import DeliveryQueue, ForgottenError
from warehouse.connectors.deliver.renewal import LeaseRenewal
from warehouse.connectors.deliver.target import DeliveryTarget, Outgoing, Refusals, TargetBusyError, TargetError
from warehouse.store.database import StoreError
from warehouse.store.waits import MAX_PAUSE_S

POLL_S = 0.5
EVENTS_PER_ROUND = 500
"""Events that are looked at in one round."""
log = logging.getLogger("kardus.deliver")


@dataclass
class TargetStatus:
    """How it goes with one target; the counts are since the start."""

    done: int = 0
    """The number of the last event that it was asked about."""
    behind: int = 0
    """Stored events that it wasn't asked about yet."""
    delivered: int = 0
    """Events that it took."""
    passed_over: int = 0
    """Events that aren't for it."""
    refused: int = 0
    """Times that it refused an event."""
    waiting: int = 0
    """Events that are tried again, or wait behind one that is."""
    aside: int = 0
    """Events that were refused for good: see `--aside`."""
    failures: int = 0
    """Attempts in a row in which it took nothing at all."""
    problem: str = ""
    """Why; empty: all is well."""
    delivered_unix_s: float = 0.0
    """When it took something last; 0: not since the start."""


@dataclass
class _TakenUp:
    """A portion of what is new."""

    done: int
    """The number of its last event; 0: there is none."""
    batch: list[Outgoing] = field(default_factory=list)
    """What the target is told: each of another location."""
    behind: list[Outgoing] = field(default_factory=list)
    """What waits for an earlier event of its location."""
    passed_over: list[int] = field(default_factory=list)
    """The numbers of those that aren't for the target."""

    def before(self, number: int) -> "_TakenUp":
        """What comes before an event."""
        batch, behind = ([one for one in part if one.number < number] for part in (self.batch, self.behind))
        passed_over = [one for one in self.passed_over if one < number]
        done = max((*passed_over, *(one.number for one in (*batch, *behind))), default=0)
        return _TakenUp(done, batch, behind, passed_over)


class TargetWorker(Worker):
    """One target's; what wasn't delivered when it stops, stays for the next start."""

    def __init__(self, name: str, target: DeliveryTarget, queue: DeliveryQueue) -> None:
        """Prepare; `start` begins."""
        super().__init__(f"deliver {name}")
        self._name, self._target, self._queue = name, target, queue
        self._ahead: deque[Outgoing] = deque()
        """Read, and not asked about yet."""
        self._renewal = LeaseRenewal(name, queue)
        self._breakdowns = 0
        """Attempts in a row that may have failed by an event's fault."""
        self._left_alone_s = 0.0
        """What the target asked for when it failed."""
        self.status = TargetStatus()
        """How it goes."""

    def round(self) -> bool:
        """Try again what is due, then what is new; whether there may be more at once.

        Raises:
            TargetError: the target takes nothing just now.
            StoreError: the database can't be used.
        """
        try:
            self._require_hold()
            more = self._single_out() if self._breakdowns >= SUSPECT_AFTER else self._deliver_round()
        except (TargetError, StoreError) as error:
            self._ahead.clear()  # what was taken from it wasn't noted, or somebody else may have told it meanwhile
            if isinstance(error, TargetBusyError):
                self._breakdowns = 0
            elif isinstance(error, TargetError) and may_be_an_events_fault(error):
                self._breakdowns += 1  # one that asks for a rest in between clears no event of suspicion
            raise
        self._breakdowns = 0
        return more

    def start(self) -> None:
        """Begin; what is held is kept held."""
        super().start()
        self._renewal.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """End: a request under way has two seconds left."""
        self._target.stop()
        super().stop(timeout_s)
        self._renewal.stop(timeout_s)
        self._target.close()

    def _run(self) -> None:
        more = False
        while not self._stopping.wait(0 if more else self._pause_s()):
            more = False
            try:
                more = self.round()
            except (TargetError, StoreError) as error:
                if not self._stopping.is_set():
                    kept = "" if isinstance(error, ForgottenError) else ": nothing is lost, it is tried again"
                    self._note(str(error), kept)
                    self._left_alone_s = error.retry_after_s if isinstance(error, TargetError) else 0.0
            else:
                self._note("")
            self._count()
        try:
            self._queue.release()
        except StoreError as error:
            log.warning("%s: can't be released now: %s", self._name, error)

    def _require_hold(self) -> None:
        other = self._queue.hold()
        if other:
            raise TargetBusyError(f"{other} delivers to it already: stop one of the two")

    def _deliver_round(self) -> bool:
        tried = self._try_again()
        return self._read_next() or tried

    def _try_again(self) -> bool:
        due = self._due(self._target.batch)
        if not due:
            return False
        refused = self._target.send(due)
        aside = self._queue.note_again(due, refused)
        self._count_sent(due, refused, aside)
        return len(refused) < len(due)

    def _due(self, most: int) -> list[Outgoing]:
        """What is to be tried again. What isn't for the target by now, or was never read before, is passed over."""
        due = self._queue.due(most)
        unwanted = [one for one in due if not self._target.wants(one)]
        if unwanted:
            self._queue.note_again(unwanted, {})
            self.status.passed_over += len(unwanted)
        return [one for one in due if one not in unwanted]

    def _read_next(self) -> bool:
        new = self._take_up(self._target.batch, pass_by=False)
        if new is None:
            return False
        refused = self._target.send(new.batch) if new.batch else {}
        self._note_new(new, refused)
        return True

    def _single_out(self) -> bool:
        """The same, one event at a time, so that one that breaks the target isn't taken for a target that is away."""
        due = self._due(PROBES)
        new = self._take_up(PROBES, pass_by=True) or _TakenUp(0)
        told = [*due, *new.batch]
        found = send_singly(self._target, told, self._stopping)
        due = found.answered_of(due)
        aside = self._queue.note_again(due, found.refused)
        self._count_sent(due, found.refused_of(due), aside)
        untold = [one.number for one in new.batch if one not in found.answered]
        if untold:
            new = new.before(untold[0])
        if new.done:
            self._note_new(new, found.refused)
        if found.ended:
            raise found.ended
        return bool(told)

    def _take_up(self, most: int, *, pass_by: bool) -> "_TakenUp | None":
        """The next events, at most so many to be told, each of another location; None: there is no more.

        With `pass_by` what comes later from a location waits behind its first one, and doesn't end the portion.
        """
        if not self._ahead:
            self._ahead.extend(self._queue.fresh(EVENTS_PER_ROUND))
        if not self._ahead:
            return None
        held_up, found = self._queue.held_up(), _TakenUp(0)
        while self._ahead:
            one = self._ahead[0]
            is_wanted, is_held_up = self._target.wants(one), one.location in held_up
            is_second = any(one.location == other.location for other in found.batch)
            if is_wanted and not is_held_up and (len(found.batch) == most or (is_second and not pass_by)):
                break
            found.done = self._ahead.popleft().number
            if not is_wanted:
                found.passed_over.append(found.done)
            else:
                (found.behind if is_held_up or is_second else found.batch).append(one)
        return found

    def _note_new(self, new: "_TakenUp", refused: Refusals) -> None:
        own = {one.number: refused[one.number] for one in new.batch if one.number in refused}
        behind = {one.number for one in new.behind}
        aside = self._queue.note(new.done, own, [*new.batch, *new.behind], behind)
        self.status.passed_over += len(new.passed_over)
        self._count_sent(new.batch, own, aside)

    def _count_sent(self, sent: Sequence[Outgoing], refused: Refusals, aside: int) -> None:
        for one in sent:
            if one.number in refused:
                log.warning("%s: refuses event %d of %s: %s", self._name, one.number, one.location, refused[one.number])
        if aside:
            log.error("%s: %d events are set aside: see `kardus-wms deliver --aside`", self._name, aside)
        self.status.refused += len(refused)
        self.status.delivered += len(sent) - len(refused)
        if len(sent) > len(refused):
            self.status.delivered_unix_s = time.time()

    def _count(self) -> None:
        status = self.status
        try:
            standing = self._queue.standing()
        except StoreError:
            return  # it is the problem already
        status.done, status.behind = standing.done, standing.behind
        status.waiting, status.aside = standing.waiting, standing.aside

    def _note(self, problem: str, kept: str = "") -> None:
        status = self.status
        if problem and problem != status.problem:
            log.error("%s: %s%s", self._name, problem, kept)
        elif not problem and status.problem:
            log.info("%s: takes events again", self._name)
        status.problem = problem
        status.failures = status.failures + 1 if problem else 0

    def _pause_s(self) -> float:
        failures = self.status.failures
        if not failures:
            return POLL_S
        return POLL_S + max(self._left_alone_s, backoff_s(failures, first_s=1, cap_s=MAX_PAUSE_S))
