#!/bin/sh
# What: a pydantic pattern with a bounded repetition of \w takes tens of milliseconds and a megabyte to define, since
#   its engine writes the repetition out, with all of Unicode each time; a length beside the pattern costs neither.
# Versions: pydantic 2.14.3, pydantic-core 2.50.4.
# Expected: defining a field with `^\w{1,100}$` costs about what `^\w+$` and max_length=100 cost, as with Python's `re`.
# Observed: a hundred times as much and more, for each field that has the pattern: two such repetitions in one pattern
#   are 0.1 s of a program's start. For ASCII classes, and with regex_engine="python-re", there is no such cost.
# Why it matters: models are defined when modules are imported, so each start of each process pays for it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pydantic==2.14.3 pydantic-core==2.50.4
"$work/venv/bin/python" - <<'PYTHON'
import statistics
import time
from importlib.metadata import version
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter


def defined_ms(pattern, engine="rust-regex", **more):
    """Milliseconds to define one field, the median of nine; each with another end, since patterns are kept."""
    times = []
    for letter in "abcdefghi":
        own = Field(pattern=pattern[:-1] + letter + "?$", **more)
        began = time.perf_counter()
        adapter = TypeAdapter(Annotated[str, own], config=ConfigDict(regex_engine=engine))
        times.append(1000 * (time.perf_counter() - began))
        assert adapter.validate_python("Rack_7") == "Rack_7"
    return statistics.median(times)


found = {
    r"^\w{1,100}$": defined_ms(r"^\w{1,100}$"),
    r"^\w+$, max_length=100": defined_ms(r"^\w+$", max_length=100),
    r"^[A-Za-z0-9_]{1,100}$": defined_ms(r"^[A-Za-z0-9_]{1,100}$"),
    r"^\w{1,100}$ by python-re": defined_ms(r"^\w{1,100}$", "python-re"),
}
print(f"pydantic {version('pydantic')}, pydantic-core {version('pydantic-core')}")
print("expected: about the same for each")
print("observed:", ", ".join(f"{what}: {ms:.2f} ms" for what, ms in found.items()))
bounded, *others = found.values()
raise SystemExit(0 if bounded > 10 * max(others) else "it has changed")
PYTHON
