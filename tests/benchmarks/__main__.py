"""All benchmarks, one after another, each in a process of its own.

    python -m tests.benchmarks [NAME ...] [--scale smoke|bench|full] [--out FOLDER]
    python -m tests.benchmarks [NAME ...] [--scale SCALE] --against COMMIT [--rounds N]
    python -m tests.benchmarks --markdown [--out FOLDER]

The second runs them in HEAD and in an earlier commit in turn, and prints ratios. The third writes what was measured
last into docs/performance.md, between its two marks; what wasn't measured here stays as it is.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from kardus.support.files import write_whole
from tests.benchmarks.against import compare
from tests.benchmarks.networks import NETWORKS, bundle_of
from tests.benchmarks.report import tables
from tests.benchmarks.scale import RESULTS, Scale

NAMES = ("outbox", "cycle", "start", "at_rest", "growth", "fleet", "peers")
PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def main() -> int:
    """Run what is asked for; 1 where a benchmark broke."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--scale", choices=get_args(Scale), default="bench")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--markdown", action="store_true", help=f"write the figures into {PAGE}")
    parser.add_argument("--against", metavar="COMMIT", help="run HEAD and this commit in turn, and print ratios")
    parser.add_argument("--rounds", type=int, default=10, help="how often, with --against")
    options = parser.parse_args()
    if strange := set(options.names) - set(NAMES):
        parser.error(f"no benchmark '{min(strange)}': use {', '.join(NAMES)}")
    if options.markdown:
        write_whole(PAGE, with_figures(PAGE.read_text(encoding="utf-8"), tables(options.out, NAMES)).encode())
        return 0
    if options.scale != "smoke":
        for name in NETWORKS:
            bundle_of(name, print)  # before anything is timed
    if options.against:
        return compare(options.against, options.names or NAMES, options.scale, options.rounds)
    return max(_run(name, options.scale, options.out) for name in options.names or NAMES)


def with_figures(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables, by benchmark, in the place of the former ones; the others stay as they are."""
    head, _, rest = page.partition(BEGIN)
    former, _, tail = rest.partition(END)
    found = {part.split(maxsplit=1)[0]: f"### {part.strip()}\n" for part in former.split("### ")[1:]} | dict(tables)
    shown = [found[name] for name in NAMES if name in found]
    return f"{head}{BEGIN}\n\n" + "\n".join(shown) + f"\n{END}{tail}"


def _run(name: str, scale: Scale, out: Path) -> int:
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--scale", scale, "--out", str(out)]
    return min(1, abs(subprocess.run(command, check=False).returncode))


if __name__ == "__main__":
    sys.exit(main())
