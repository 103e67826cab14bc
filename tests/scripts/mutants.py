"""The mutants of a module, and which of a room's are drawn: tests/scripts/mutation.py runs tests against them.

Cosmic Ray's operators change the code, and one of our own deletes statements. Annotations, docstrings, log messages and
the texts of errors are left alone.
"""

import ast
import difflib
import functools
import hashlib
import importlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DELETION = "DeleteStatement"
_UNUSED = ("VariableReplacer", "VariableInserter", "ExceptionReplacer")
"""Two need arguments; the third fails on `except (A, B)` of more than names."""
_DELETED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Return, ast.Continue, ast.Break)
Span = tuple[tuple[int, int], tuple[int, int]]
"""First and last position of a piece of code, each as line (from 1) and column (from 0)."""
Change = Callable[[str], str | None]
"""Gives the changed code for a module's."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    line: int
    operator: str
    before: str
    after: str
    code: str

    @property
    def key(self) -> str:
        """The same for the same change, wherever in the module the line has moved."""
        text = f"{self.module}\0{self.operator}\0{self.before}\0{self.after}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def diff(self) -> str:
        """What is changed, as two lines."""
        return f"- {self.before}\n+ {self.after}"


@dataclass(frozen=True)
class Place:
    """A change that can be made; making it takes a while, so only those drawn are."""

    module: str
    line: int
    operator: str
    change: Change

    def mutant(self) -> Mutant | None:
        """None where nothing changes."""
        source = (ROOT / self.module).read_text(encoding="utf-8")
        code = self.change(source)
        if code is None or code == source:
            return None
        return Mutant(self.module, self.line, self.operator, *_changed(source, code), code)


def places_of(module: str) -> dict[Span, list[Place]]:
    """Every change of a module that can be made, by what it changes."""
    source = (ROOT / module).read_text(encoding="utf-8")
    left_out = list(_left_out(ast.parse(source)))
    found: dict[Span, list[Place]] = {}
    for span, operator, change in (*_cosmic_ray(source), *_deletions(source)):
        if not any(first <= span[0] and span[1] <= last for first, last in left_out):
            found.setdefault(span, []).append(Place(module, span[0][0], operator, change))
    return found


def drawn(room: str, number: int, seed: int) -> list[Mutant]:
    """The same mutants for the same code and seed: one of every place, in random order, before the second of any."""
    rng = random.Random(seed)
    ranked: list[tuple[int, float, Place]] = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for places in places_of(str(path.relative_to(ROOT))).values():
            rng.shuffle(places)
            ranked += [(rank, rng.random(), place) for rank, place in enumerate(places)]
    changed = (place.mutant() for _, _, place in sorted(ranked, key=lambda row: row[:2]))
    return list(itertools.islice(filter(None, changed), number))


def function_at(module: str, line: int) -> str:
    """`Class.method` or `function`, whichever stands there; "" outside of all, decorators and defaults included."""
    found = ""

    def enter(node: ast.AST, path: str) -> None:
        nonlocal found
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                enter(child, f"{path}{child.name}.")
            elif isinstance(child, ast.FunctionDef) and child.body[0].lineno <= line <= (child.end_lineno or 0):
                found = path + child.name

    enter(ast.parse((ROOT / module).read_text(encoding="utf-8")), "")
    return found


def _cosmic_ray(source: str) -> Iterator[tuple[Span, str, Change]]:
    """Place, operator and change for everything that its operators find. Each change parses the source again."""
    plugins, syntax, mutating = (
        importlib.import_module(f"cosmic_ray.{name}") for name in ("plugins", "ast", "mutating")
    )
    nodes = list(syntax.ast_nodes(syntax.get_ast(source)))
    for name in sorted(plugins.operator_names()):
        if name.endswith(_UNUSED):
            continue
        operator = plugins.get_operator(name)()
        spans = [span for node in nodes for span in operator.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(spans):
            change = functools.partial(mutating.mutate_code, operator=operator, occurrence=occurrence)
            yield (tuple(start), tuple(end)), name, change


def _deletions(source: str) -> Iterator[tuple[Span, str, Change]]:
    """Every simple statement of a function, replaced by `pass`."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, _DELETED):
                yield _span(node), DELETION, functools.partial(_without, node=node)


def _without(source: str, node: ast.stmt) -> str:
    lines = source.splitlines(keepends=True)
    last = node.end_lineno or node.lineno
    kept = lines[last - 1].encode()[node.end_col_offset or 0 :].decode()
    return "".join([*lines[: node.lineno - 1], " " * node.col_offset + "pass" + kept, *lines[last:]])


def _left_out(tree: ast.Module) -> Iterator[Span]:
    """Annotations, docstrings, log messages, the texts of errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            yield _span(node.annotation)
        if isinstance(node, ast.FunctionDef) and node.returns:
            yield _span(node.returns)
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log(node.value)):
            yield _span(node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield _span(node.exc)


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")


def _span(node: ast.stmt | ast.expr) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def _changed(source: str, code: str) -> tuple[str, str]:
    """What differs, each side as one line."""
    old, new = source.splitlines(), code.splitlines()
    first = _equal(old, new)
    last = _equal(old[first:][::-1], new[first:][::-1])
    lines = list(difflib.ndiff(old[first : len(old) - last], new[first : len(new) - last]))
    before, after = ([line[2:].strip() for line in lines if line.startswith(mark)] for mark in ("- ", "+ "))
    return " ".join(before), " ".join(after)


def _equal(some: list[str], others: list[str]) -> int:
    return sum(1 for _ in itertools.takewhile(bool, (a == b for a, b in zip(some, others, strict=False))))
