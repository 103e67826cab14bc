"""The texts under the fields of a record, as schemas and pages show them."""

import subprocess
from typing import ClassVar, Generic, TypeVar

from pydantic import Field, create_model

from kardus.contract.base import Record
from kardus.contract.described import field_texts
from tests.conftest import BIN

Inner = TypeVar("Inner")


class Parent(Record):
    """A record."""

    kept: int
    """What it
    says."""
    silent: int = 0


class Child(Parent, Generic[Inner]):
    """One that inherits, and has a name of its own in JSON."""

    kept: int = 1
    """Said anew."""
    inner: Inner
    """Any."""
    named: int = Field(alias="asName", default=2)
    """By its alias."""
    own: int = Field(default=3, description="Its own.")
    """Not shown."""
    kind: ClassVar[str] = "none"
    """No field."""
    "Not the text of a field."


def test_texts_are_those_of_the_fields_and_inherited() -> None:
    assert field_texts(Parent) == {"kept": "What it\nsays."}
    assert field_texts(Child[int]) == {
        "kept": "Said anew.",
        "inner": "Any.",
        "named": "By its alias.",
        "own": "Not shown.",
    }


def test_a_schema_has_them_under_the_names_that_json_has() -> None:
    properties = Child[int].model_json_schema()["properties"]
    told = {name: field.get("description") for name, field in properties.items()}
    assert told == {"kept": "Said anew.", "silent": None, "inner": "Any.", "asName": "By its alias.", "own": "Its own."}


def test_no_source_is_read_where_nobody_asks_for_texts() -> None:
    never = "raise AssertionError('a source was read')"
    asked = f"import inspect; inspect.findsource = lambda *_: exec({never!r}); import edge_agent.cli"
    subprocess.run([BIN / "python", "-c", asked], check=True)


def test_a_model_that_a_program_made_has_no_texts() -> None:
    made = create_model("Made", __base__=Record, number=(int, 1))
    assert field_texts(made) == {}
    assert "description" not in made.model_json_schema()["properties"]["number"]
