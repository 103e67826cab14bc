"""What is written under the fields of a record.

Pydantic can take these texts too (`use_attribute_docstrings`), but reads every class's source for it when the class is
made: a start of the agent would take a seventh longer (docs/adr/0017-libraries-that-serve.md). Here they are read when
a schema or a page asks for them.
"""

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field of a model, those that it inherits too; fields without a text are not in it.

    Nor is anything of a model whose source isn't there, since a program made it.
    """
    texts = [_own_texts(base) for base in reversed(model.__mro__) if issubclass(base, BaseModel)]
    return {name: text for own in texts for name, text in own.items() if name in model.model_fields}


def described(model: type[BaseModel], core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """A model's JSON Schema with the texts under its fields, as `__get_pydantic_json_schema__` has to give it."""
    schema = handler(core_schema)
    properties: dict[str, dict[str, Any]] = handler.resolve_ref_schema(schema).get("properties", {})
    for name, text in field_texts(model).items():
        key = model.model_fields[name].alias or name
        if key in properties:
            properties[key].setdefault("description", text)
    return schema


@cache
def _own_texts(model: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):  # so for a generic model with its parameters, too
        return {}
    written = ast.parse(textwrap.dedent(source)).body[0]
    return {
        ast.unparse(field.target): inspect.cleandoc(below.value.value)
        for field, below in pairwise(getattr(written, "body", ()))
        if isinstance(field, ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
