"""The contract type of import-linter that lists what each room may import; everything else is refused.

The rooms and their lists stand in pyproject.toml (`[[tool.importlinter.contracts]]`), one line a room:
`room: what, else`. A name stands for a module, package or distribution with all that is in it. A module belongs to the
room with the longest name that it begins with; each has to belong to one. A package that only holds rooms imports
nothing itself. The standard library is open to all.
"""

import sys
from dataclasses import dataclass
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


@dataclass(frozen=True)
class Refused:
    """An import that isn't allowed, or a module (with nothing imported) that belongs to no room."""

    importer: str
    imported: str = ""


class AllowedImports(Contract):
    """Every module imports its own room, and what the room's list names."""

    rooms = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's
        """Whether all imports are allowed."""
        refused = self.refused(graph)
        return ContractCheck(kept=not refused, metadata={"refused": refused})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name every import that isn't allowed, and the remedy."""
        for each in check.metadata["refused"]:
            what = f"imports {each.imported}, which its room may not" if each.imported else "belongs to no room"
            output.print_error(f"{each.importer} {what}: move it, or change the list in pyproject.toml", bold=False)

    def refused(self, graph: ImportGraph) -> list[Refused]:
        """What isn't allowed, by name."""
        allowed = self._lists()
        found = []
        for module in sorted(graph.modules):
            if graph.is_module_squashed(module):
                continue  # of another distribution
            room = _room_of(module, allowed)
            if room is None and not any(_is_in(other, module) for other in allowed):
                found.append(Refused(module))
                continue
            open_to_it = [*sys.stdlib_module_names, *(allowed[room] if room else ())]
            found += [
                Refused(module, imported)
                for imported in sorted(graph.find_modules_directly_imported_by(module))
                if (room is None or _room_of(imported, allowed) != room)
                and not any(_is_in(imported, name) for name in open_to_it)
            ]
        return found

    def _lists(self) -> dict[str, list[str]]:
        lines: Any = self.rooms
        parted = (line.partition(":") for line in lines)
        return {room.strip(): [name.strip() for name in names.split(",") if name.strip()] for room, _, names in parted}


def _room_of(module: str, rooms: dict[str, list[str]]) -> str | None:
    """The room with the longest name that the module begins with."""
    return max((room for room in rooms if _is_in(module, room)), key=len, default=None)


def _is_in(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")
