"""One name, one meaning: no class or type of the product is called as another one is elsewhere."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("kardus", "edge_agent", "warehouse", "simulator", "train", "export")
ALIKE = {
    "Code": "a text of a query",
    "ConfigArgument": "an argument of a command",
    "Faces": "photos by class",
    "FacingCorners": "corners in JSON",
    "Float32Array": "an array of this type",
    "Float64Array": "an array of this type",
    "Name": "a text of a query",
    "NameArgument": "an argument of a command",
    "Proportion": "a number from 0 to 1",
    "Result": "a type variable",
    "Role": "a person's role, and its name in a file of settings",
}
"""Types that mean the same in each file, and are too small to be shared between rooms."""


def _types(path: Path) -> Iterator[str]:
    """The names of classes and types that a file makes for others."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and _is_type(node.name):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name) and _is_type(target.id))


def _is_type(name: str) -> bool:
    return name[0].isupper() and not name.isupper()


def test_no_two_files_make_different_types_of_one_name() -> None:
    found = defaultdict(set)
    for path in (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))):
        for name in _types(path):
            found[name].add(path.relative_to(ROOT).as_posix())
    assert {name: files for name, files in found.items() if len(files) > 1 and name not in ALIKE} == {}
    assert {name for name in ALIKE if len(found[name]) < 2} == set(), "alone by now: take it off the list"
