"""Links back to the page from which somebody came to say that a verdict is wrong; no other address is linked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self
from urllib.parse import quote

from fastapi import Depends, Query

from kardus.support.whole_numbers import whole_number
from warehouse.console.context import Console
from warehouse.console.pages.content.places import place_of
from warehouse.console.pages.content.tiles import tile_id
from warehouse.console.pages.list_parts import MAX_PART, PartNumber
from warehouse.console.pages.rack_parts import rack_part
from warehouse.console.pages.settings import PageSettings

MAX_NUMBER = 2**63 - 1
PAGES = ("rack", "location", "work", "mine")


@dataclass(frozen=True)
class ReturnLink:
    """The page to return to, and what of it was shown."""

    page: str = ""
    """`rack`, `location`, `work` or `mine`; empty: none is named."""
    part: int = 1
    """Of a list: it is shown where the task is in it no more."""
    before: int = 0
    """Of a location's history; 0: its newest."""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Self:
        """As a form has it; what can't be read counts as not said."""
        part, before = (whole_number(form.get(name, ""), MAX_NUMBER) or 0 for name in ("part", "before"))
        page = form.get("back", "")
        return cls(page if page in PAGES else "", min(max(1, part), MAX_PART), before)

    def address(self, console: Console, settings: PageSettings, location: str) -> str:
        """Where the location stands in it; empty: no page is named."""
        code = quote(location, safe="")
        if self.page == "rack":
            return _in_rack(console, settings, location)
        if self.page == "location":
            return f"/location?code={code}" + (f"&before={self.before}" if self.before else "")
        if self.page in ("work", "mine"):
            mine = "mine=true&" if self.page == "mine" else ""
            return f"/work?{mine}at={code}&part={self.part}#{tile_id(location)}"
        return ""


def _in_rack(console: Console, settings: PageSettings, location: str) -> str:
    rack = place_of(location, settings.patterns).rack
    with console.reading() as connection:
        part = rack_part(connection, settings, rack, at=location)
    return f"/rack?name={quote(rack, safe='')}&part={part.number}#{tile_id(location)}"


def _asked(
    back: Annotated[str, Query(max_length=20)] = "",
    part: PartNumber = 1,
    before: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
) -> ReturnLink:
    return ReturnLink(back if back in PAGES else "", part, before)


AskedReturnLink = Annotated[ReturnLink, Depends(_asked)]
