"""The layout of a stock list: what a WMS's export calls its columns, by presets (small TOML files) and by options."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

from kardus.support.errors import UsageError
from kardus.support.settings_files import read_settings_file
from kardus.support.spelling import composed
from warehouse.stock.stock_list import COLUMNS

PRESETS = Path(__file__).with_name("presets")
PRESET_NAMES = tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))
"""Of the presets that come along."""
_REMEDY = f"name {', '.join(PRESET_NAMES)}, or a .toml file"
_COLUMNS = (*COLUMNS.required, *COLUMNS.optional)
ColumnName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Preset(BaseModel):
    """A TOML file that says how a WMS exports its stock."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    columns: dict[str, tuple[ColumnName, ...]] = {}
    """What `location`, `sku`, `quantity` and `empty` may be called: the first that is found counts."""
    sku_pattern: str = ""
    """A regular expression with one group: where a product's cell begins so, the group is its SKU."""
    left_out: tuple[ColumnName, ...] = ()
    """What lines of totals begin with."""

    @property
    def line_beginnings(self) -> frozenset[str]:
        """What lines that are left out begin with, as they are compared."""
        return frozenset(composed(text).lower() for text in self.left_out)

    @field_validator("columns")
    @classmethod
    def _require_known(cls, columns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, called in columns.items():
            if name not in _COLUMNS or not called:
                raise ValueError(f"'{name}': name {', '.join(_COLUMNS)}, each with at least one name")
        return columns

    @field_validator("sku_pattern")
    @classmethod
    def _require_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"no regular expression ({error})") from error
        if pattern and groups != 1:
            raise ValueError(f"has {groups} groups: put the SKU's part, and nothing else, into parentheses")
        return pattern


def read_preset(name: str) -> Preset:
    """The preset of a name, or of a file that ends in .toml.

    Raises:
        UsageError: there is none, or it is wrong.
    """
    path = PRESETS / f"{name}.toml" if name in PRESET_NAMES else Path(name)
    if path.suffix != ".toml":
        raise UsageError(f"--preset {name}: none of that name: {_REMEDY}")
    return read_settings_file(path, Preset, "docs/wms.md", option="--preset", remedy=_REMEDY)


def column_names(options: Sequence[str], preset: Preset) -> Mapping[str, tuple[str, ...]]:
    """What columns are called, of a preset and of `location=Lokasi,sku="Kode Barang"`, which comes before it.

    Raises:
        UsageError: an option isn't written so.
    """
    names = dict(preset.columns)
    for text in options:
        for part in _parts(text):
            column, equals, called = part.partition("=")
            if not equals or column.strip() not in _COLUMNS or not called.strip():
                raise UsageError(
                    f"--columns {text}: write {', '.join(f'{name}=NAME' for name in _COLUMNS)} (one or more)"
                )
            names[column.strip()] = (called.strip(),)
    return names


def _parts(text: str) -> list[str]:
    """What is between the commas that aren't in double quotes."""
    words = shlex.shlex(text, posix=True)
    words.whitespace, words.quotes, words.escape, words.commenters = ",", '"', "", ""
    words.whitespace_split = True
    try:
        return list(words)
    except ValueError as error:
        raise UsageError(f'--columns {text}: a " without its second one: close it') from error
