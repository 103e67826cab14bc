"""The contract as others can use it: JSON Schemas (2020-12) of every message, and an AsyncAPI 3.0 document.

AsyncAPI: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.json_schema import models_json_schema

from kardus.contract import commands, messages, model_status, receipts
from kardus.contract.base import Record
from kardus.contract.examples import EXAMPLES, example
from kardus.contract.manifest import Manifest
from kardus.contract.messages import Envelope
from kardus.contract.topics import Topics, expected_topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TOPICS = Topics("{site}", "{agent}")
_PARAMETERS = {
    "site": "The warehouse.",
    "agent": "The agent's own name at the site.",
    "location": "The WMS's code of the storage location.",
    "camera": "The camera's name.",
    "event": "The id of the event that the picture belongs to.",
    "command": "The command's name.",
}


@dataclass(frozen=True)
class Channel:
    """A topic, seen from the agent."""

    address: str
    action: Literal["send", "receive"]
    records: tuple[str, ...]
    """Names of the records that travel there; none: a JPEG."""
    retained: bool
    what: str


CHANNELS: dict[str, Channel] = {
    "status": Channel(_TOPICS.status, "send", ("AgentStatus",), True, "Online or offline; also the last will."),
    "health": Channel(_TOPICS.health("{camera}"), "send", ("CameraHealth",), True, "Whether a camera delivers."),
    "state": Channel(_TOPICS.state("{location}"), "send", ("LocationState",), True, "The current verdict."),
    "events": Channel(
        _TOPICS.events("{location}"), "send", ("LocationEvent",), False, "Every change of verdict, in order."
    ),
    "coverage": Channel(_TOPICS.coverage, "send", ("Coverage",), True, "Which locations were verified."),
    "model": Channel(
        _TOPICS.model, "send", ("ModelStatus",), True, "The model in use, and what becomes of another one."
    ),
    "lost": Channel(_TOPICS.lost, "send", ("Lost",), True, "Which events will never come."),
    "ack": Channel(_TOPICS.ack, "receive", ("Ack",), True, "Which events the WMS side has stored for good."),
    "evidence": Channel(
        _TOPICS.evidence("{location}", "{event}"), "send", (), False, "The crop that an event rests on."
    ),
    "expected": Channel(
        expected_topic("{site}", "{location}"), "receive", ("Expected",), True, "What the WMS expects there."
    ),
    "commands": Channel(
        _TOPICS.command("{command}"),
        "receive",
        tuple(record.__name__ for record in commands.COMMANDS.values()),
        False,
        "Commands, which are answered to their response topic.",
    ),
}
"""Every topic by a short name."""
_ENVELOPED = (
    messages.LocationEvent,
    messages.LocationState,
    messages.AgentStatus,
    messages.CameraHealth,
    messages.Coverage,
    model_status.ModelStatus,
    receipts.Lost,
)
PAYLOADS: dict[str, type[Record]] = {
    **{record.__name__: Envelope[record] for record in _ENVELOPED},  # type: ignore[valid-type]
    "Expected": messages.Expected,
    "Ack": receipts.Ack,
    **{record.__name__: record for record in commands.COMMANDS.values()},
    "Reply": commands.Reply,
}
"""What is sent, by the name of the record in it."""


def json_schemas() -> dict[str, dict[str, Any]]:
    """A schema by file name for every message, and for a bundle's manifest."""
    published: dict[str, type[Record]] = {**PAYLOADS, "Manifest": Manifest}
    return {_file(name): {"$schema": DIALECT, **model.model_json_schema()} for name, model in published.items()}


def asyncapi(version: str) -> dict[str, Any]:
    """The AsyncAPI document of the agent.

    Args:
        version: the software's.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kardus agent",
            "version": version,
            "description": "What stands in a warehouse's storage locations, against what the WMS expects. "
            "Fields are only ever added, with defaults: ignore those that you don't know.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(channel) for name, channel in CHANNELS.items()} | {"replies": _replies()},
        "operations": {name: _operation(name, channel) for name, channel in CHANNELS.items()},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel(channel: Channel) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", channel.address)
    parameters: dict[str, Any] = {name: {"description": _PARAMETERS[name]} for name in names}
    if "command" in parameters:
        parameters["command"]["enum"] = list(commands.COMMANDS)
    return {
        "address": channel.address,
        "description": channel.what,
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.records or ("Picture",)},
    }


def _replies() -> dict[str, Any]:
    return {
        "address": None,
        "description": f"The command's response topic; brokers let the agent publish under {_TOPICS.replies}/.",
        "messages": {"Reply": {"$ref": "#/components/messages/Reply"}},
    }


def _operation(name: str, channel: Channel) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": channel.what,
        "messages": [{"$ref": f"#/channels/{name}/messages/{each}"} for each in channel.records or ("Picture",)],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }
    if name == "commands":
        operation["reply"] = {
            "address": {
                "location": "$message.payload#/response_topic",
                "description": "MQTT 5's response topic where there is one, else this field of the command.",
            },
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": "#/channels/replies/messages/Reply"}],
        }
    return operation


def _messages() -> dict[str, Any]:
    told = {
        name: {
            "name": name,
            "title": name,
            "contentType": "application/cloudevents+json" if issubclass(model, Envelope) else "application/json",
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
            "examples": [{"name": name, "payload": example(name)}] if name in EXAMPLES else [],
        }
        for name, model in PAYLOADS.items()
    }
    picture = {"name": "Picture", "title": "Picture", "contentType": "image/jpeg", "payload": {"type": "string"}}
    return told | {"Picture": picture}


def _schemas() -> dict[str, Any]:
    models = [(model, "validation") for model in PAYLOADS.values()]
    _, found = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    # pydantic's own key of an envelope has brackets made into underscores; nothing refers to it
    return {schema["title"] if key.startswith(Envelope.__name__) else key: schema for key, schema in schemas.items()}


def _file(name: str) -> str:
    words = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
    return f"{words}.schema.json"
