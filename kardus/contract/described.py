"""What is written under the fields of a record.

Pydantic can take these texts too (`use_attribute_docstrings`), but reads every class's source at import for it, which
would cost each start of an agent some tenths of a second. Here they are read when a schema or a page asks for them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


@cache
def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field of a model, those that it inherits too; fields without a text are not in it.

    Nor is anything of a model whose source isn't there, since a program made it.
    """
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        is_written = issubclass(base, BaseModel) and base is not BaseModel and "[" not in base.__name__
        if is_written:  # a generic model with its parameters has no source of its own
            texts |= _own_texts(base)
    return {name: text for name, text in texts.items() if name in model.model_fields}


def described(model: type[BaseModel], core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """A model's JSON Schema with the texts under its fields, as `__get_pydantic_json_schema__` has to give it."""
    schema = handler(core_schema)
    properties: dict[str, dict[str, Any]] = handler.resolve_ref_schema(schema).get("properties", {})
    for name, text in field_texts(model).items():
        key = model.model_fields[name].alias or name
        if key in properties:
            properties[key].setdefault("description", text)
    return schema


def _own_texts(model: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):
        return {}
    (written,) = ast.parse(textwrap.dedent(source)).body
    statements = written.body if isinstance(written, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
