"""Sends an agent the correction of an event that somebody has labelled: a wrong alert ends, and isn't raised again.

What was said is stored before, and stays, whatever the agent answers. Only the last event of a location is corrected:
what stood there before is of no more use to the agent, and a queue of old events is labelled without waiting for
anybody.
"""

from typing import Any, Literal

from pydantic_core import from_json
from sqlalchemy import Connection, Row, select

from kardus.contract.commands import Correct
from warehouse.console.agents.asking import AgentQuestion, Unanswered
from warehouse.console.api.label_records import CorrectionOutcome
from warehouse.console.context import Console
from warehouse.console.problems import ProblemError
from warehouse.store.labels import TEACHING, StatedTruth
from warehouse.store.tables import agent_beside, events

_MAX_CORRECTIONS = 10
"""More corrections of one event in a row are taken for something new."""
NOTHING = CorrectionOutcome(outcome="not told", reason="it isn't the last event of this location")


def correction_question(connection: Connection, row: Row[Any]) -> AgentQuestion | None:
    """What the agent is to be asked because of a row of `labels`; None: its event isn't the last one."""
    number = connection.execute(select(events.c.number).where(events.c.id == row.event)).scalar()
    if number is None:
        return None
    later = select(events.c.payload).where(
        events.c.location == row.location, agent_beside == row.agent, events.c.number > number
    )
    for payload in connection.execute(later.order_by(events.c.number).limit(_MAX_CORRECTIONS)).scalars():
        if not from_json(payload, cache_strings="keys")["data"].get("corrected"):
            return None
    truth = StatedTruth(row.truth)
    said: Literal["product", "empty", "foreign", "withdrawn"] = "withdrawn"
    if truth in TEACHING:
        said = truth.value  # type: ignore[assignment]  # those three are among the four
    command = Correct(location=row.location, captured=row.captured, truth=said, sku=row.sku, by=row.by[:200])
    return AgentQuestion(row.agent, "correct", command)


def send_correction(console: Console, question: AgentQuestion | None) -> CorrectionOutcome:
    """Ask the agent, and wait a little; what came of it. Doesn't raise."""
    if question is None:
        return NOTHING
    if console.asking is None:
        return CorrectionOutcome(outcome="not told", reason="the server was started without a broker: see --host")
    try:
        (reply,) = console.asking.ask([question])
    except ProblemError as error:
        return CorrectionOutcome(outcome="not told", reason=error.detail)
    if reply is Unanswered.OFFLINE:
        return CorrectionOutcome(outcome="not told", reason=f"agent '{question.agent}' is offline")
    if isinstance(reply, Unanswered):
        return CorrectionOutcome(outcome="no answer", reason=f"agent '{question.agent}' hasn't answered yet")
    return CorrectionOutcome(outcome="told" if reply.ok else "refused", reason=reply.error)
