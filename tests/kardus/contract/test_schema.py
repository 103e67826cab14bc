"""The published contract: current, sound, and judged by a validator that isn't ours."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.__main__ import main
from kardus import __version__
from kardus.contract.examples import EXAMPLES, example
from kardus.contract.schema import CHANNELS, PAYLOADS, asyncapi, json_schemas
from tests.contract_schemas import PUBLISHED, validator
from tests.in_process import call

WRITE = "run: kardus-agent schema > docs/schema/asyncapi.json; kardus-agent schema --json-schemas docs/schema"
DOCUMENT = asyncapi(__version__)


def test_what_is_published_is_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, main, "schema").stdout == (PUBLISHED / "asyncapi.json").read_text(), WRITE
    assert call(capsys, main, "schema", "--json-schemas", tmp_path / "new").returncode == 0
    written = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert written == {path.name: path.read_text() for path in PUBLISHED.glob("*.schema.json")}, WRITE


def test_every_topic_and_message_of_the_reference_is_in_it() -> None:
    rows = (PUBLISHED.parent / "messages.md").read_text().split("\n## ")[0]
    addresses = set(re.findall(r"^\| `(kardus/[^`]+)`", rows, flags=re.MULTILINE))
    replies = {address for address in addresses if "/replies/" in address}
    assert addresses - replies == {channel.address for channel in CHANNELS.values()}
    assert replies


@pytest.mark.parametrize("name", list(PAYLOADS))
def test_every_message_has_an_example_that_its_schema_accepts(name: str) -> None:
    found = validator(_file(name))
    assert not list(found.iter_errors(example(name)))
    assert type(EXAMPLES[name]).__name__ in {name, "Envelope"}


def _file(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() + ".schema.json"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("LocationEvent", ("data", "verdict"), "wrong"),
        ("LocationEvent", ("data", "sequence"), 0),
        ("LocationEvent", ("data", "captured"), "yesterday"),
        ("LocationEvent", ("data", "expected_likelihood"), 1.5),
        ("LocationEvent", ("data", "location"), "A\x01"),
        ("LocationEvent", ("specversion",), "2.0"),
        ("Expected", ("revision",), "7"),
        ("CameraHealth", ("data", "status"), "fine"),
        ("FetchEvidence", ("event",), "x"),
    ],
)
def test_a_wrong_message_is_refused(name: str, path: tuple[str, ...], value: Any) -> None:
    message = example(name)
    inner = message
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert list(validator(_file(name)).iter_errors(message))


@pytest.mark.parametrize("name", list(PAYLOADS))
def test_generators_make_usable_names_and_code_of_it(name: str) -> None:
    """A class is called as its schema's title, and modelina writes no valid Python for a constant."""
    schema = json.loads((PUBLISHED / _file(name)).read_text())
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["title"].isidentifier()
    assert '"const"' not in json.dumps(schema)
    assert DOCUMENT["components"]["schemas"][schema["title"]]["title"] == schema["title"]


def test_a_field_from_the_future_is_accepted() -> None:
    message = example("LocationState")
    message["data"]["weight_kg"] = 12.5
    assert not list(validator("location-state.schema.json").iter_errors(message))


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        found: Any = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            assert key in found, reference
            found = found[key]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_the_document_keeps_to_asyncapi_3() -> None:
    """Its rules: https://www.asyncapi.com/docs/reference/specification/v3.0.0; every key that stands there is known."""
    assert set(DOCUMENT) <= {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for channel in DOCUMENT["channels"].values():
        assert set(channel) <= {"address", "description", "parameters", "messages"}
        in_address = set(re.findall(r"{(\w+)}", channel["address"] or ""))
        assert in_address == set(channel.get("parameters", {}))
        assert all(set(parameter) <= {"description", "enum"} for parameter in channel.get("parameters", {}).values())
    for operation in DOCUMENT["operations"].values():
        assert set(operation) <= {"action", "channel", "summary", "messages", "bindings", "reply"}
        assert operation["action"] in {"send", "receive"}
        prefix = operation["channel"]["$ref"] + "/messages/"
        assert all(message["$ref"].startswith(prefix) for message in operation["messages"])
    for message in DOCUMENT["components"]["messages"].values():
        assert set(message) <= {"name", "title", "contentType", "payload", "examples"}
    assert all(re.fullmatch(r"[\w.-]+", name) for name in DOCUMENT["components"]["schemas"])


def test_the_bundles_manifest_is_published_too() -> None:
    assert json_schemas()["manifest.schema.json"]["title"] == "Manifest"
    assert json.loads((PUBLISHED / "manifest.schema.json").read_text())["properties"]["schema_version"]
