"""Commands from the WMS side: each is carried out once and answered, or refused with the reason."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from kardus.contract.commands import COMMANDS, MAX_COMMAND_BYTES, Command, Reply
from kardus.contract.mqtt_text import is_topic
from kardus.support.errors import KardusError

CommandJob = Callable[[], dict[str, Any]]
"""Gives a reply's result, or raises a KardusError, after a time that the agent's thread must not wait."""
CommandHandler = Callable[[Any], dict[str, Any] | CommandJob]
"""Carries out a command, given as its model; returns the reply's result or what will, or raises a KardusError."""
log = logging.getLogger("kardus.commands")


@dataclass(frozen=True)
class CommandRequest:
    """A command as it came from the broker."""

    name: str
    payload: bytes
    retained: bool = False
    response_topic: str = ""
    correlation: bytes = b""


@dataclass(frozen=True)
class AddressedReply:
    """A reply, and where it goes."""

    topic: str
    """Empty: nobody asked for it."""
    correlation: bytes
    reply: Reply
    job: CommandJob | None = None
    """What gives the reply's result; None: it is there."""

    def finish(self) -> "AddressedReply":
        """The reply with what its job gives. Called from another thread than the agent's."""
        if self.job is None:
            return self
        try:
            return self._with(result=self.job())
        except KardusError as error:
            return self.refuse(str(error))

    def refuse(self, reason: str) -> "AddressedReply":
        """The same, with the reason why it wasn't carried out."""
        log.warning("command %r refused: %s", self.reply.command, reason)
        return self._with(ok=False, error=reason)

    def _with(self, **changes: object) -> "AddressedReply":
        return AddressedReply(self.topic, self.correlation, self.reply.model_copy(update=changes))


def carry_out(
    request: CommandRequest, handlers: Mapping[str, CommandHandler], now: datetime | None = None
) -> AddressedReply:
    """Carry a request out. Never raises for what a request may do wrong."""
    address, problem = _address(request.payload), ""
    result: dict[str, Any] | CommandJob
    try:
        command = _parse(request)
        _refuse_old(request, command, now or datetime.now(UTC))
        result = handlers[request.name](command)
    except KardusError as error:
        problem, result = str(error), {}
    if problem:
        log.warning("command %r refused: %s", request.name, problem)
    else:
        log.info("command %r carried out", request.name)
    job, given = (result, {}) if callable(result) else (None, result)
    reply = Reply(command=request.name, ok=not problem, error=problem, correlation=address.correlation, result=given)
    topic = request.response_topic or address.response_topic
    return AddressedReply(topic if is_topic(topic) else "", request.correlation, reply, job)


def _address(payload: bytes) -> Command:
    """Where the reply goes by the payload, whatever else is wrong with it."""
    try:
        return Command.model_validate_json(payload[:MAX_COMMAND_BYTES] or b"{}")
    except (ValidationError, RecursionError):
        return Command()


def _parse(request: CommandRequest) -> Command:
    model = COMMANDS.get(request.name)
    if model is None:
        raise KardusError(f"no such command: one of {', '.join(COMMANDS)}")
    if len(request.payload) > MAX_COMMAND_BYTES:
        raise KardusError(f"{len(request.payload)} bytes are too many: at most {MAX_COMMAND_BYTES}")
    try:
        return model.model_validate_json(request.payload or b"{}")
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
        key = ".".join(str(part) for part in first["loc"])
        raise KardusError(f"{key}: {first['msg']}: see docs/messages.md".removeprefix(": ")) from error


def _refuse_old(request: CommandRequest, command: Command, now: datetime) -> None:
    """A retained command would be carried out again at every connection."""
    if request.retained:
        raise KardusError("it is retained: publish commands without the retain flag")
    if command.expires is not None and command.expires <= now:
        raise KardusError(f"it expired at {command.expires:%Y-%m-%dT%H:%M:%SZ}: send it again")
