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

Handler = Callable[[Any], dict[str, Any]]
"""Carries out a command, given as its model; returns the reply's result, or raises a KardusError."""
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


def answer(request: CommandRequest, handlers: Mapping[str, Handler], now: datetime | None = None) -> AddressedReply:
    """Carry a request out. Never raises for what a request may do wrong."""
    address, problem = _address(request.payload), ""
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
    reply = Reply(command=request.name, ok=not problem, error=problem, correlation=address.correlation, result=result)
    topic = request.response_topic or address.response_topic
    return AddressedReply(topic if is_topic(topic) else "", request.correlation, reply)


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
