"""Writes docs/commands.md, configuration.md and messages.md: `python -m tests.scripts.reference`.

They are made from the code. A test compares the files with what this writes, and refuses a command, key, topic or field
without a description.
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import edge_agent.cli.main
import export.cli
import train.cli
import warehouse.cli.main
from edge_agent.config import cameras, sections, sources
from kardus.contract import commands as contract_commands
from kardus.contract import layouts, messages, model_status, receipts, recording
from kardus.contract.described import field_texts
from kardus.contract.examples import EXAMPLES, example
from kardus.contract.homeassistant import device_id
from kardus.contract.messages import Data
from kardus.contract.topics import Topics, expected_topic
from kardus.contract.verdicts import Verdict
from kardus.inference import providers

DOCS = Path(__file__).parents[2] / "docs"
NOTE = "<!-- Written by `python -m tests.scripts.reference` from the code: don't edit here. -->\n"
EXIT_CODES = (
    "Exit codes: 0 done, 1 the work failed, 2 wrong use, 130 interrupted (143: by SIGTERM, 129: its terminal was "
    "closed). An error is one line on the standard error "
    "that names the file, key or value, and the remedy. `--json` prints for programs, "
    "`--version` says which Kardus this is.\n"
)
ONE_FILE = (
    "One TOML file; an example that the tests load is [agent.toml](../deploy/examples/agent.toml). Paths are relative "
    "to the file. A key that isn't listed here is refused. `kardus-agent check FILE` finds what is wrong.\n"
)
PUBLISHED = (
    "For programs: [asyncapi.json](schema/asyncapi.json) (AsyncAPI 3, `kardus-agent schema`) and a JSON Schema of "
    "every message beside it (`kardus-agent schema --json-schemas FOLDER`).\n"
)
ON_THE_WIRE = (
    "MQTT 5 (3.1.1 where the broker has no 5), QoS 1. What the agent publishes is a CloudEvents 1.0 envelope in "
    "structured JSON; expected stock is plain JSON. Fields are only ever added, with defaults.\n"
)
LOCATION_CODES = (
    "## Location codes in topics\n\n"
    "`{location}` in a topic is the code with `%`, `/`, `+`, `#`, `.` and `$` as percent and two hexadecimal digits: "
    "`WH/Stock/A-01` is `WH%2FStock%2FA-01` there. Every message has the code itself. (`/`, `+` and `#` mean something "
    "in MQTT, `$` at the beginning too, and RabbitMQ turns a dot into a slash.)\n"
)
COMMANDS = {
    "kardus-agent": edge_agent.cli.main.app,
    "kardus-wms": warehouse.cli.main.app,
    "kardus-train": train.cli.app,
    "kardus-export": export.cli.app,
}
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[agent]", sections.AgentSection),
    ("[model]", sections.ModelSection),
    ('providers = [{ name = "..." }]', providers.Provider),
    ("[mqtt]", sections.MqttSection),
    ("[outbox]", sections.OutboxSection),
    ("[verdict]", sections.VerdictSection),
    ("[codes]", sections.CodesSection),
    ("[evidence]", sections.EvidenceSection),
    ("[recording]", sections.RecordingSection),
    ("[harvest]", sections.HarvestSection),
    ("[view]", sections.ViewSection),
    ("[gate]", sections.GateSection),
    ("[health]", sections.HealthSection),
    ("[homeassistant]", sections.HomeAssistantSection),
    ("[[cameras]]", cameras.CameraSection),
    ("[[cameras.locations]]", cameras.LocationSection),
    ('source = { type = "rtsp" }', sources.RtspSource),
    ('source = { type = "snapshot" }', sources.SnapshotSource),
    ('source = { type = "mjpeg" }', sources.MjpegSource),
    ('source = { type = "v4l2" }', sources.V4l2Source),
    ('source = { type = "file" }', sources.StillSource),
    ('source = { type = "folder" }', sources.FolderSource),
    ('source = { type = "video" }', sources.VideoSource),
    ('source = { type = "simulated" }', sources.SimulatedSource),
)
RECORDS: tuple[type[BaseModel], ...] = (
    messages.Envelope,
    messages.LocationEvent,
    messages.LocationState,
    messages.AgentStatus,
    messages.CameraHealth,
    messages.Coverage,
    messages.Verified,
    model_status.ModelStatus,
    model_status.Comparison,
    messages.Alert,
    messages.Expected,
    messages.ExpectedStock,
    messages.Seen,
    messages.Candidate,
    messages.Model,
    receipts.Ack,
    receipts.Lost,
    contract_commands.Command,
    *contract_commands.COMMANDS.values(),
    layouts.Layout,
    layouts.PlacedLocation,
    contract_commands.Reply,
    recording.RecordingHeader,
    recording.RecordingEntry,
)


def commands() -> str:
    """Every command with its arguments and options."""
    parts = [
        NOTE,
        "# Commands\n",
        EXIT_CODES,
    ]
    for name, app in COMMANDS.items():
        parts += _command(name, typer.main.get_command(app))
    return "\n".join(parts)


def configuration() -> str:
    """Every key of the agent's configuration."""
    parts = [
        NOTE,
        "# The agent's configuration\n",
        ONE_FILE,
    ]
    for title, section in SECTIONS:
        parts += [f"## `{title}`\n", _purpose(section) + "\n", _fields(section, "key")]
    return "\n".join(parts)


def contract() -> str:
    """Every topic and every field of every message."""
    parts = [
        NOTE,
        "# Messages\n",
        ON_THE_WIRE,
        PUBLISHED,
        "| topic | message | retained | what it says |\n|---|---|---|---|",
        *(f"| `{topic}` | {name} | {retained} | {words} |" for topic, name, retained, words in _topics()),
        f"\n{LOCATION_CODES}",
        "## Verdicts\n",
        "| verdict | meaning |\n|---|---|",
        *(f"| `{value}` | {words} |" for value, words in _verdicts()),
        "",
    ]
    for record in RECORDS:
        parts += [f"## {_title(record)}\n", _purpose(record) + "\n", _fields(record, "field"), *_example(record)]
    return "\n".join(parts)


def _topics() -> list[tuple[str, str, str, str]]:
    """Topic, message, whether it is retained, and what it says."""
    topics = Topics("{site}", "{agent}")
    return [
        (topics.status, "AgentStatus", "yes", "Online or offline; also the last will."),
        (topics.health("{camera}"), "CameraHealth", "yes", "Whether a camera delivers."),
        (topics.state("{location}"), "LocationState", "yes", "The current verdict."),
        (topics.events("{location}"), "LocationEvent", "no", "Every change of verdict, in order, from the outbox."),
        (topics.model, "ModelStatus", "yes", "The model in use, and what becomes of another one."),
        (topics.coverage, "Coverage", "yes", "Which locations were verified, daily and on request."),
        (
            topics.evidence("{location}", "{event}"),
            "JPEG",
            "no",
            "The crop that the event of this id rests on.",
        ),
        (topics.lost, "Lost", "yes", "Which events will never come."),
        (
            topics.ack,
            "Ack",
            "yes",
            "From the WMS side, as plain JSON: which events are stored for good.",
        ),
        (
            topics.command("{command}"),
            "Command",
            "no",
            "From the WMS side: see below. Under MQTT 5 with a response topic and correlation data.",
        ),
        (
            f"{topics.replies}/{{caller}}",
            "Reply",
            "no",
            "Where commands should ask for their replies: brokers let the agent publish there.",
        ),
        (
            f"{{prefix}}/device/{device_id(topics)}/config",
            "JSON",
            "yes",
            "Home Assistant's discovery document, where it is wanted.",
        ),
        (
            expected_topic("{site}", "{location}"),
            "Expected",
            "yes",
            "What the WMS expects; only the WMS side publishes it.",
        ),
    ]


def undescribed() -> list[str]:
    """Every command, option, key or field that has no description."""
    missing = [f"{name} {option}" for name, option, words in _all_options() if not words]
    for record in (*RECORDS, *(section for _, section in SECTIONS)):
        missing += [f"{record.__name__}.{name}" for name in record.model_fields if not field_texts(record).get(name)]
    return missing + [value for value, words in _verdicts() if not words]


def _command(name: str, command: Any) -> list[str]:
    children = _children(command)
    if children:
        parts = [f"## `{name}`\n", _plain(command.help) + "\n"]
        for child_name, child in children.items():
            parts += _command(f"{name} {child_name}", child)
        return parts
    rows = [f"| `{label}` | {words} | {default} |" for label, words, default in _parameters(command)]
    table = ["| | what it is | default |\n|---|---|---|", *rows, ""] if rows else []
    return [f"### `{name}`\n", _plain(command.help) + "\n", *table]


def _children(command: Any) -> dict[str, Any]:
    """The commands of a group, those too that it loads when they are asked for."""
    if not hasattr(command, "list_commands"):
        return {}
    context = command.context_class(command)
    return {name: command.get_command(context, name) for name in command.list_commands(context)}


def _parameters(command: Any) -> Iterator[tuple[str, str, str]]:
    for parameter in command.params:
        label = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name.upper()
        default = "required" if parameter.required else parameter.default
        yield label, _plain(getattr(parameter, "help", "")), "" if default in (None, False) else str(default)


def _all_options() -> Iterator[tuple[str, str, str]]:
    waiting = [(name, typer.main.get_command(app)) for name, app in COMMANDS.items()]
    while waiting:
        name, command = waiting.pop()
        yield name, "", _plain(command.help)
        waiting += [(f"{name} {child}", c) for child, c in _children(command).items()]
        if not hasattr(command, "commands"):
            yield from ((name, label, words) for label, words, _ in _parameters(command))


def _fields(record: type[BaseModel], title: str) -> str:
    lines = [f"| {title} | type | default | what it is |", "|---|---|---|---|"]
    for name, info in record.model_fields.items():
        default = "required" if info.default is PydanticUndefined else f"`{_shown(info.default)}`"
        default = "left out" if info.exclude_if else default
        description = _plain(field_texts(record).get(name, ""))
        lines.append(f"| `{name}` | {_type(info.annotation)} | {default} | {description} |")
    return "\n".join(lines) + "\n"


def _example(record: type[BaseModel]) -> list[str]:
    name = _title(record)
    if name not in EXAMPLES:
        return []
    return ["```json", json.dumps(example(name), indent=2, ensure_ascii=False), "```\n"]


def _shown(default: Any) -> str:
    if default is None or isinstance(default, bool):
        return {None: "null", True: "true", False: "false"}[default]
    if isinstance(default, tuple) and default and isinstance(default[0], providers.Provider):
        default = [provider.name for provider in default]
    return '""' if default == "" else "[]" if default == () else str(default)


def _type(annotation: Any) -> str:
    """A type in words; constraints are told in the description."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in parts)
    if origin is tuple:
        return "list of " + _type(parts[0])
    if annotation is NoneType:
        return "null"
    return {Data: "record"}.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _title(record: type[BaseModel]) -> str:
    return record.__name__.split("[")[0]


def _purpose(record: type[BaseModel]) -> str:
    return _plain(inspect.getdoc(record) or "")


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _verdicts() -> list[tuple[str, str]]:
    """The strings under each member of the enumeration."""
    source = inspect.getsource(Verdict).split('"""')[2:]
    names = [part.strip().split(" = ")[0] for part in source[::2] if " = " in part]
    return [(Verdict[name].value, _plain(words)) for name, words in zip(names, source[1::2], strict=True)]


def main() -> None:
    """Write the three files."""
    for name, text in written().items():
        (DOCS / name).write_text(text, encoding="utf-8")


def written() -> dict[str, str]:
    """The three files by name."""
    return {"commands.md": commands(), "configuration.md": configuration(), "messages.md": contract()}


if __name__ == "__main__":
    main()
