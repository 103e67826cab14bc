"""The base of every record in the contract."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Record(BaseModel):
    """Frozen; unknown fields are ignored, because fields are only ever added, with defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, cache_strings="keys")
    # the parser would keep the last 16,384 short texts: ids, which never come again, were 2 MB that grew for months

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        """With the texts under the fields."""
        from kardus.contract.described import described  # noqa: PLC0415 - only a schema needs it

        return described(cls, core_schema, handler)
