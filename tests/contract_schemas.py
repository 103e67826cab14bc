"""Judges messages by the published JSON Schemas, with a validator that knows nothing of the code that made them."""

import functools
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from kardus.contract.schema import CHANNELS

PUBLISHED = Path(__file__).parents[1] / "docs" / "schema"
_formats = FormatChecker()


@_formats.checks("date-time", raises=ValueError)
def _is_date_time(text: object) -> bool:
    """RFC 3339: with a zone."""
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@functools.cache
def validator(file: str) -> Draft202012Validator:
    """The validator for a published schema."""
    schema = json.loads((PUBLISHED / file).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=_formats)


def channel_of(topic: str) -> str | None:
    """The channel that a topic belongs to, by the published addresses."""
    return next((name for name, address in _addresses() if _fits(address.split("/"), topic.split("/"))), None)


@functools.cache
def _addresses() -> list[tuple[str, str]]:
    document = json.loads((PUBLISHED / "asyncapi.json").read_text())
    return [(name, channel["address"]) for name, channel in document["channels"].items() if channel["address"]]


def problems(topic: str, message: Any) -> list[str]:
    """What a published message does against the contract."""
    name = channel_of(topic)
    if name is None or name not in CHANNELS:
        return [f"{topic}: no such channel"]
    (record,) = CHANNELS[name].records
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in record).removeprefix("-")
    return [f"{topic}: {error.message}" for error in validator(f"{words}.schema.json").iter_errors(message)]


def _fits(address: list[str], topic: list[str]) -> bool:
    return len(address) == len(topic) and all(a == t or a.startswith("{") for a, t in zip(address, topic, strict=True))
