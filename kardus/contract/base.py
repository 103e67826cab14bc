"""The base of every record in the contract."""

import unicodedata
from functools import partial
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

MAX_INTEGER = 2**63 - 1
"""The largest whole number that a database keeps."""
MAX_COUNT = 10**12
"""Nothing that an agent counts comes so far: a thousand events a second for thirty years."""
Flag = Annotated[bool, Strict()]
"""`true` or `false`, as JSON writes them: a number or a word, such as `"no"`, isn't taken for one."""
Integer = Annotated[int, Field(ge=0, le=MAX_INTEGER, strict=True)]
"""A whole number from 0: a truth value, a text or a fraction isn't taken for one."""
AgentCount = Annotated[int, Field(ge=0, le=MAX_COUNT, strict=True)]
"""Of what an agent has, or has done."""


class NfcText:
    """Brings a text to NFC, and then looks at its length and characters: some become two by it, and two become one.

    Compiled code alone: it is called for each name of each message.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        compose = core_schema.no_info_plain_validator_function(partial(unicodedata.normalize, "NFC"))
        return core_schema.chain_schema([core_schema.str_schema(), compose, handler(source)])

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        """Of the text in NFC, whatever is done with it then."""
        inner = cast("dict[str, Any]", schema)
        while inner["type"] != "chain":
            inner = inner["schema"]
        return handler(inner["steps"][-1])


class Record(BaseModel):
    """Frozen; unknown fields are ignored, because fields are only ever added, with defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, cache_strings="keys")
    # the parser would keep the last 16,384 short texts: ids, which never come again, were 2 MB that grew for months

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        """With the texts under the fields."""
        from kardus.contract.described import described  # noqa: PLC0415 - only a schema needs it

        return described(cls, core_schema, handler)
