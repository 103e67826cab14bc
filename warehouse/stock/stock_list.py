"""Reads the WMS's stock list: which SKU belongs at which location.

A cell that is lost is no order to find nothing: an empty location is said in words, and a line that can't be told for
sure is refused with all others of its kind. The list is taken as a whole or not at all.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kardus.support.errors import DataError
from kardus.support.spelling import composed
from kardus.support.tabular.table_headers import TableLayout, WantedColumns
from kardus.support.tabular.tables import EMPTY, Row, read_rows
from kardus.support.whole_numbers import whole_number
from warehouse.stock.list_notes import list_notes, with_columns
from warehouse.stock.stock_codes import cited, name_problems

COLUMNS = WantedColumns(("location", "sku"), ("quantity", "empty"), values=("quantity", "empty"))
_NAMES = frozenset((*COLUMNS.required, *COLUMNS.optional))
_log = logging.getLogger(__name__)
YES, NO = frozenset({"yes", "true", "1", "x"}), frozenset({"", "no", "false", "0"})
"""What the column `empty` may hold."""
MAX_SHOWN = 20
"""So many wrong lines are listed; the others are counted."""
MIXED = "several products are listed there"
"""Why a location with two products isn't managed."""
_WHOLE = re.compile(r"([0-9]+)([.,]0{1,2})?|(0)[.,]0+")
"""A quantity; three zeros may be thousands, where there is anything before them."""
MAX_QUANTITY = 10**15 - 1
"""The largest quantity: spreadsheet programs keep no more digits, nor does JSON everywhere (RFC 8259, section 6)."""
_FRACTION = re.compile(r"[0-9]+\.0")


class StockLine(NamedTuple):
    """What is expected at a location; no SKU means that it must be empty."""

    location: str
    sku: str | None
    quantity: int | None = None
    reason: str = ""
    """Why it isn't managed; empty: it is."""


@dataclass(frozen=True)
class StockRules:
    """How a stock list is read."""

    layout: TableLayout = field(default_factory=TableLayout)
    """Where in the file it is, and what its columns are called there."""
    sku_pattern: str = ""
    """A regular expression; where it fits a SKU's cell, its first group is the SKU."""
    blank_is_empty: bool = False
    """A blank SKU says that the location must be empty."""
    mixed: bool = False
    """A location with several products is given up, and not refused."""


def read_stock(path: Path, rules: StockRules | None = None) -> list[StockLine]:
    """Read a text or a workbook with the columns `location,sku[,quantity][,empty]`.

    Lines of one location and SKU (lots) become one, with their quantities added.

    Raises:
        DataError: the file can't be read, lacks a column, or lines are wrong: the message has up to MAX_SHOWN of them.
    """
    rules = rules or StockRules()
    found: set[str] = set()
    rows = with_columns(read_rows(path, COLUMNS, rules.layout), found)
    lines, problems, _ = stock_lines((with_sku(row, rules.sku_pattern) for row in rows), rules)
    _refuse(path, problems or fraction_problems((line.location, line.sku) for line in lines))
    if not lines:
        raise DataError(f"{path}: no location is listed: add lines of location,sku")
    for note in list_notes((line.location for line in lines), found, _NAMES):
        _log.warning("note: %s: %s", path, note)
    return lines


def fraction_problems(named: Iterable[tuple[str, str | None]]) -> list[str]:
    """What is wrong where every location, or every SKU, ends in .0; of pairs of both.

    Programs write a column of whole numbers so where they take it for one of fractions; a single code may be so.
    """
    for name, codes in zip(("location", "sku"), map(set, zip(*named, strict=True)), strict=False):
        found = [code for code in codes if code is not None]
        if len(found) > 1 and all(_FRACTION.fullmatch(code) for code in found):
            example = min(found)
            return [f"every {name} ends in .0, as '{example}': save it as text in its source, '{example[:-2]}'"]
    return []


def line_of(row: Row) -> str:
    """Where a row is, for people who have the list."""
    return f"line {row.line}"


def stock_lines(
    rows: Iterable[Row], rules: StockRules, place_of: Callable[[Row], str] = line_of
) -> tuple[list[StockLine], list[str], set[str]]:
    """Rows as lines of stock, what is wrong with them, and the locations of those that are wrong.

    Rows of one location and SKU (lots) become one line, with their quantities added. `place_of` says where a row is.
    """
    problems: list[str] = []
    unclear: set[str] = set()

    def note(row: Row, found: Iterable[str]) -> None:
        problems.extend(row.problems or (f"{place_of(row)}: {text}" for text in found))
        unclear.add(composed(row.values.get("location", "")))

    filled: dict[str, str] = {}
    merged, clashes = _merged(_right_lines(rows, rules, note, filled, place_of), rules)
    for line in merged:
        if line.quantity == 0 and line.location in filled:
            clashes.setdefault(line.location, filled[line.location])
    return merged, [*problems, *clashes.values()], unclear | clashes.keys()


def _right_lines(
    rows: Iterable[Row],
    rules: StockRules,
    note: Callable[[Row, Iterable[str]], None],
    filled: dict[str, str],
    place_of: Callable[[Row], str],
) -> Iterator[tuple[int, StockLine]]:
    """Those in which nothing is wrong, with their numbers; what is wrong with the others is noted.

    Of locations that aren't empty by that column, with 0 of a product, is noted in `filled` what is wrong unless
    another lot is there.
    """
    for row in rows:
        found = row.problems or _problems(row, rules)
        if found:
            note(row, found)
        else:
            line = _stock_line(row)
            empty = row.values.get("empty", "")
            if line.quantity == 0 and empty and empty.lower() in NO:
                said = f"quantity 0 of '{line.sku}', and empty is '{empty}': leave one of them out"
                filled.setdefault(line.location, f"{place_of(row)}: {said}")
            yield row.line, line


def _refuse(path: Path, problems: Sequence[str]) -> None:
    if not problems:
        return
    rest = len(problems) - MAX_SHOWN
    more = f"; and {rest} more" if rest > 0 else ""
    nothing = f" ({len(problems)} faults; nothing was published)" if len(problems) > 1 else ""
    raise DataError(f"{path}: {'; '.join(problems[:MAX_SHOWN])}{more}{nothing}")


def _problems(row: Row, rules: StockRules) -> list[str]:
    """What is wrong with a line."""
    location, sku, quantity = row.values["location"], row.values["sku"], row.values.get("quantity")
    empty = row.values.get("empty", "")
    found: list[str] = []
    found += name_problems(location, sku)
    if empty or not sku:
        found += _emptiness_problems(sku, empty, rules)
    if quantity and not (_quantity(quantity) and sku and sku.upper() != EMPTY):
        found += _quantity_problems(sku, quantity)
    return found


@lru_cache(maxsize=1000)
def _quantity(text: str) -> int | None:
    whole = _WHOLE.fullmatch(text)
    return whole_number(whole.group(1) or "0", MAX_QUANTITY) if whole else None


def _quantity_problems(sku: str, quantity: str) -> Iterator[str]:
    number = _quantity(quantity)
    if number is None:
        most = "" if len(quantity) <= len(str(MAX_QUANTITY)) else f" and at most {len(str(MAX_QUANTITY))} digits"
        yield f"quantity '{cited(quantity)}': write a whole number, 0 or more{most}, or nothing"
    elif number and (not sku or sku.upper() == EMPTY):
        yield f"quantity {number} of '{cited(sku)}': name the product, or leave the quantity out"


def _emptiness_problems(sku: str, empty: str, rules: StockRules) -> Iterator[str]:
    if empty.lower() not in YES | NO:
        yield f"empty '{cited(empty)}': write yes, or nothing"
    elif empty.lower() in YES and sku and sku.upper() != EMPTY:
        yield f"empty is '{empty}' beside sku '{cited(sku)}': leave one of them out"
    elif empty and empty.lower() in NO and sku.upper() == EMPTY:
        yield f"empty is '{empty}' beside sku '{sku}': leave one of them out"
    elif empty and empty.lower() in NO and not sku:
        yield f"no sku, and empty is '{empty}': name the product, or write yes where nothing must stand"
    elif not sku and not empty and not rules.blank_is_empty:
        yield f"no sku: write {EMPTY} where nothing must stand, or give --blank-is-empty"


def with_sku(row: Row, pattern: str) -> Row:
    """A row whose SKU is what the pattern's group finds, where it fits and has such a group."""
    found = re.match(composed(pattern), composed(row.values["sku"])) if pattern and "sku" in row.values else None
    named = found.group(1) if found else None
    return row if named is None else row._replace(values=row.values | {"sku": named.strip()})


def _stock_line(row: Row) -> StockLine:
    sku, quantity = row.values["sku"], row.values.get("quantity")
    name = composed(sku) if sku and sku.upper() != EMPTY else None
    return StockLine(composed(row.values["location"]), name, _quantity(quantity) if quantity else None)


def _merged(lines: Iterable[tuple[int, StockLine]], rules: StockRules) -> tuple[list[StockLine], dict[str, str]]:
    """One line a location, and what is wrong with those that have several products, by location."""
    found: dict[str, dict[str | None, tuple[int, StockLine]]] = {}
    clashes: dict[str, str] = {}
    for number, line in lines:
        products = found.setdefault(line.location, {})
        if line.sku not in products:
            products[line.sku] = number, line
            continue
        first, known = products[line.sku]
        count = _sum(known.quantity, line.quantity)
        products[line.sku] = first, known._replace(quantity=count)
        if count is not None and count > MAX_QUANTITY:
            clashes[line.location] = _too_many(line, first, number)
    return [_one_line([*products.values()], rules, clashes) for products in found.values()], clashes


def _one_line(products: Sequence[tuple[int, StockLine]], rules: StockRules, clashes: dict[str, str]) -> StockLine:
    """The line of a location, of those of its products; what is wrong with it is noted.

    A product of which there is none is no other product: many systems keep the rows of what stood there before.
    """
    there = [(number, line) for number, line in products if line.quantity != 0]
    if not there:
        return products[0][1]._replace(sku=None)  # none of it may be there
    (first, line), *others = there
    if not others:
        return line
    if rules.mixed:
        return StockLine(line.location, None, reason=MIXED)
    number, other = others[0]
    names = f"'{line.sku or EMPTY}' and '{other.sku or EMPTY}'"
    clashes.setdefault(
        line.location,
        f"lines {first} and {number}: location '{line.location}' has {names}: keep one, or give --mixed",
    )
    return line


def _too_many(line: StockLine, first: int, number: int) -> str:
    return (
        f"lines {first} to {number}: the quantities of '{line.sku}' at location '{line.location}' add up to more than "
        f"{MAX_QUANTITY}: write them smaller, or leave them out"
    )


def _sum(one: int | None, other: int | None) -> int | None:
    """Of two lots; unknown where one of them is."""
    return None if one is None or other is None else one + other
