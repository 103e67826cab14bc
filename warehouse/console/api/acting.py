"""The API's routes by which people act: acknowledge an alert, comment on it, have a location looked at again.

Who did it is in the audit log.
"""

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, insert, select

from kardus.contract.commands import Acknowledge, Capture
from kardus.contract.messages import Envelope, LocationState
from kardus.support.identifiers import uuid7
from warehouse.console.agents.asking import AgentAnswer, AgentQuestion, AgentQuestions, Unanswered
from warehouse.console.api.alerts import AlertId, comment_of, find_alert
from warehouse.console.api.records import Acknowledging, Asked, AskedAll, CaptureRequest, Comment, Commenting
from warehouse.console.context import Actor, Console, Served, entry_of
from warehouse.console.identity.auditing import insert_entries
from warehouse.console.identity.tokens import Principal
from warehouse.console.problems import ProblemError
from warehouse.store.tables import comments, latest, present

router = APIRouter()
JSON = "application/json"
LATER = {"Retry-After": "30"}
"""An agent that is offline is seldom back sooner."""


@router.post("/alerts/{alert}/acknowledge", response_model=Asked, summary="An alert is known to somebody")
def acknowledge(request: Request, console: Served, who: Actor, alert: AlertId, said: Acknowledging) -> Response:
    """The agent is asked to mark it, and publishes it so; 202: it hasn't answered yet; 503: it is offline.

    Nothing is closed by it: that does the picture which shows that all is well.
    """
    found = find_alert(console, alert)
    if found.status == "resolved":
        raise ProblemError(409, "the alert is resolved already")
    command = Acknowledge(location=found.location, by=said.by or who.name)
    (answer,) = _asking(console).ask([AgentQuestion(found.agent, "acknowledge", command)])
    console.audit.note(entry_of(request, who, "acknowledge", alert, f"{command.by}: {outcome(answer)}"))
    asked = _asked(found.agent, answer)
    if asked.offline:
        raise ProblemError(503, f"agent '{found.agent}' is offline: it wasn't asked: try again when it is back", LATER)
    return Response(asked.model_dump_json(), 200 if asked.answered else 202, media_type=JSON)


@router.post("/alerts/{alert}/comments", response_model=Comment, status_code=201, summary="Comment on an alert")
def comment(request: Request, console: Served, who: Actor, alert: AlertId, said: Commenting) -> Response:
    """201; and 200 where a comment with this id is there already, as after a lost connection."""
    find_alert(console, alert)
    row = {"id": said.id or uuid7(), "alert": alert, "at": present(), "by": by_whom(who, said.by), "text": said.text}
    with console.database.noting() as connection:
        if said.id is None or (known := _stored(connection, said.id)) is None:
            connection.execute(insert(comments).values(**row))
            insert_entries(connection, [entry_of(request, who, "comment", alert, str(row["id"]))])
            return Response(Comment.model_validate(row).model_dump_json(), 201, media_type=JSON)
    if (known.alert, known.text) != (alert, said.text):
        raise ProblemError(409, "id: another comment has it: send a new one")
    return Response(known.model_dump_json(), 200, media_type=JSON)


@router.post("/looks", response_model=AskedAll, operation_id="look", summary="Look at a location again")
def request_capture(request: Request, console: Served, who: Actor, said: CaptureRequest) -> Response:
    """The agents that watch it classify every location of that camera anew; 202: not all have answered yet.

    503: all of them are offline.
    """
    with console.reading() as connection:
        watching = select(latest.c.agent, latest.c.payload).where(
            latest.c.kind == "state", latest.c.subject == said.location
        )
        states = connection.execute(watching.order_by(latest.c.agent)).all()
    if not states:
        raise ProblemError(404, f"no agent watches '{said.location}'")
    cameras = [(agent, Envelope[LocationState].model_validate_json(text).data.camera) for agent, text in states]
    answers = _asking(console).ask(
        [AgentQuestion(agent, "capture", Capture(camera=camera)) for agent, camera in cameras]
    )
    told = ", ".join(f"{agent}: {outcome(answer)}" for (agent, _), answer in zip(cameras, answers, strict=True))
    console.audit.note(entry_of(request, who, "look", said.location, told))
    asked = AskedAll(items=tuple(_asked(agent, answer) for (agent, _), answer in zip(cameras, answers, strict=True)))
    if all(one.offline for one in asked.items):
        raise ProblemError(503, "every agent that watches it is offline: try again when one is back", LATER)
    return Response(asked.model_dump_json(), 200 if all(one.answered for one in asked.items) else 202, media_type=JSON)


def _asking(console: Console) -> AgentQuestions:
    if console.asking is None:
        raise ProblemError(503, "the server was started without a broker, so that no agent can be asked: see --host")
    return console.asking


def outcome(answer: AgentAnswer) -> str:
    """What came of a question, for the audit log."""
    return answer.value if isinstance(answer, Unanswered) else "done" if answer.ok else answer.error


def _asked(agent: str, answer: AgentAnswer) -> Asked:
    if isinstance(answer, Unanswered):
        return Asked(agent=agent, answered=False, offline=answer is Unanswered.OFFLINE, result={})
    if not answer.ok:
        raise ProblemError(409, f"agent '{agent}' refuses: {answer.error}")
    return Asked(agent=agent, answered=True, offline=False, result=answer.result)


def by_whom(who: Principal, person: str) -> str:
    """Who said something: the token's name, and the person's where one was given."""
    return f"{who.name}: {person}" if person else who.name


def _stored(connection: Connection, id_: str) -> Comment | None:
    row = connection.execute(select(comments).where(comments.c.id == id_)).first()
    return comment_of(row) if row else None
