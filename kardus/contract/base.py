"""The base of every record in the contract."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema

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


class Record(BaseModel):
    """Frozen; unknown fields are ignored, because fields are only ever added, with defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, cache_strings="keys")
    # the parser would keep the last 16,384 short texts: ids, which never come again, were 2 MB that grew for months

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        """With the texts under the fields."""
        from kardus.contract.described import described  # noqa: PLC0415 - only a schema needs it

        return described(cls, core_schema, handler)
