"""Offers bundles to agents, and notes who offered what: what an agent makes of it, it says itself (`.../model`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from kardus.contract.commands import ChangeModel
from kardus.contract.messages import Envelope
from kardus.contract.model_status import ModelStatus
from warehouse.console.agents.asking import AgentAnswer, AgentQuestion, AgentQuestions, Unanswered
from warehouse.console.agents.bundles import OfferedBundle
from warehouse.console.shown import message_data
from warehouse.report.aisles import walking_order
from warehouse.store.database import Database
from warehouse.store.tables import latest, models, offers, present

NO_ANSWER = "no answer"
OFFLINE = "offline"
MAX_AGENTS = 10_000
_STATUS = Envelope[ModelStatus]


@dataclass(frozen=True)
class Offer:
    """The last time that a bundle was offered to an agent."""

    at: datetime
    by: str
    sha256: str
    title: str
    former_sha256: str
    former_title: str
    answer: str
    """Why the agent refused at once; `no answer`; empty: it began."""


@dataclass(frozen=True)
class AgentModel:
    """Which model one agent has."""

    agent: str
    is_online: bool
    title: str
    """Name and version of the one in use; empty: it has said none."""
    status: ModelStatus | None
    """What it says of it, and of another one; None: nothing."""
    offer: Offer | None
    back: Offer | None
    """The offer by which the present model came, where there was one: to what was before one can go back."""

    @property
    def sha256(self) -> str:
        """Of the bundle in use; empty: not said."""
        return self.status.sha256 if self.status else ""


def agent_models(connection: Connection) -> list[AgentModel]:
    """Every agent that has said something of itself or its model, in walking order."""
    online: dict[str, dict[str, Any]] = {}
    for row in connection.execute(select(latest).where(latest.c.kind == "status").limit(MAX_AGENTS)):
        online[row.agent] = message_data(row)
    told = {row.agent: _STATUS.model_validate_json(row.payload).data for row in connection.execute(select(models))}
    offered = _offers(connection)
    return [
        _agent(name, online.get(name, {}), told.get(name), offered.get(name, []))
        for name in sorted({*online, *told}, key=walking_order)
    ]


def _agent(name: str, status: Mapping[str, Any], model: ModelStatus | None, offered: Sequence[Offer]) -> AgentModel:
    used = status.get("model") or {}
    title = f"{used['name']} {used['version']}" if used else ""
    if model is not None:
        title = f"{model.model.name} {model.model.version}"
    sha256 = model.sha256 if model else ""
    back = next((one for one in offered if one.sha256 == sha256 and one.former_sha256), None)
    return AgentModel(name, status.get("status") == "online", title, model, offered[0] if offered else None, back)


def _offers(connection: Connection) -> dict[str, list[Offer]]:
    """By agent, the latest first."""
    found: dict[str, list[Offer]] = {}
    for row in connection.execute(select(offers).order_by(offers.c.number.desc()).limit(MAX_AGENTS)):
        made = Offer(row.at, row.by, row.sha256, row.title, row.former_sha256, row.former_title, row.answer)
        found.setdefault(row.agent, []).append(made)
    return found


def offer(
    database: Database,
    asking: AgentQuestions,
    by: str,
    wanted: Sequence[tuple[AgentModel, OfferedBundle, ChangeModel]],
) -> None:
    """Offer each agent its bundle, wait a little for the answers, and note them.

    Raises:
        ProblemError: 503: the broker can't be reached; nobody was asked.
        StoreError: the database doesn't take it.
    """
    replies = asking.ask([AgentQuestion(agent.agent, "model", command) for agent, _, command in wanted])
    now = present()
    rows = [
        {
            "at": now,
            "by": by,
            "agent": agent.agent,
            "sha256": bundle.sha256,
            "title": bundle.title,
            "former_sha256": agent.sha256 if agent.sha256 != bundle.sha256 else "",
            "former_title": agent.title,
            "answer": _answer(reply),
        }
        for (agent, bundle, _), reply in zip(wanted, replies, strict=True)
    ]
    with database.noting() as connection:
        connection.execute(insert(offers), rows)


def _answer(reply: AgentAnswer) -> str:
    if isinstance(reply, Unanswered):
        return OFFLINE if reply is Unanswered.OFFLINE else NO_ANSWER
    return "" if reply.ok else reply.error[:500] or "refused"
