"""Throws damaged bundles at the reader: python -m tests.scripts.fuzz_bundle [COUNT [SEED]].

Five kinds of damage in turn: bytes flipped, cut or put in anywhere; the same inside the zip file's directory, where
sizes and places are declared; a member's content changed and packed again with right hashes and the old signatures; a
member blown up to be larger than it declares, or to declare more than it is; JSON values exchanged for others. The
reader must refuse (with its own error, in one line) or give exactly what the true bundle holds; it must not take long,
or much memory. Prints counts, the slowest answer and the most memory; ends with 1 at the first failure.
"""

import io
import json
import random
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export.keys import make_key, read_key
from kardus.inference.bundle import Trust, parse_bundle
from kardus.support.errors import BundleError
from tests.edge_agent.making import Members, damaged, members_in, resealed, zipped
from tests.export.colours import colour_bundle

MAX_SECONDS = 5.0
MAX_BYTES = 50_000_000
ODD: tuple[Any, ...] = (None, True, -1, 0, 1e308, float("nan"), "", "x" * 300, [], {}, [[]], 2**70)
Damage = Callable[[bytes, Members, random.Random], bytes]


def anywhere(whole: bytes, _: Members, rng: random.Random) -> bytes:
    """Flip, cut or put in bytes."""
    return damaged(whole, rng)


def directory(whole: bytes, _: Members, rng: random.Random) -> bytes:
    """The same behind the start of the zip file's directory."""
    start = whole.index(b"PK\x01\x02")
    return whole[:start] + damaged(whole[start:], rng)


def content(_: bytes, members: Members, rng: random.Random) -> bytes:
    """Change one member, and make the manifest's hashes fit: only the signature tells."""
    name = rng.choice([name for name in members if name not in ("manifest.json", "signatures.json")])
    return resealed({**members, name: damaged(members[name], rng)})


def bomb(whole: bytes, members: Members, rng: random.Random) -> bytes:
    """A member of many zeros, or one whose declared size is another."""
    name = rng.choice(list(members))
    if rng.random() < 0.5:
        return zipped({**members, name: members[name] + bytes(rng.choice((1, 1000, 100_000)) * rng.randrange(1, 10))})
    place = whole.index(b"PK\x01\x02")
    return whole[: place + 24] + rng.randbytes(4) + whole[place + 28 :]


def values(_: bytes, members: Members, rng: random.Random) -> bytes:
    """Exchange a value somewhere in a JSON member, or take it out."""
    name = rng.choice([name for name in members if name.endswith(".json")])
    root = json.loads(members[name])
    spot = root
    while isinstance(spot, dict | list) and spot:
        key: Any = rng.choice(list(spot)) if isinstance(spot, dict) else rng.randrange(len(spot))
        below = spot[key]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.3:
            if rng.random() < 0.2:
                del spot[key]
            else:
                spot[key] = rng.choice(ODD)
            break
        spot = below
    changed = {**members, name: json.dumps(root).encode()}
    return zipped(changed) if name == "manifest.json" else resealed(changed)


KINDS: tuple[Damage, ...] = (anywhere, directory, content, bomb, values)


def fuzz(whole: bytes, key: str, count: int, seed: int) -> tuple[Counter[str], float, int]:
    """Try so many damages; counts by kind and outcome, the slowest answer in seconds, the most memory in bytes.

    Raises:
        AssertionError: the reader failed; the message names kind and number.
    """
    rng = random.Random(seed)
    members, true = members_in(whole), parse_bundle(io.BytesIO(whole), "true")
    found: Counter[str] = Counter()
    slowest, most = 0.0, 0
    tracemalloc.start()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        data = kind(whole, members, rng)
        tracemalloc.reset_peak()
        before, began = tracemalloc.get_traced_memory()[0], time.perf_counter()
        try:
            bundle = parse_bundle(io.BytesIO(data), "damaged", Trust([key]))
            same = (bundle.manifest, bundle.model, bundle.golden, bundle.golden_png)
            if same != (true.manifest, true.model, true.golden, true.golden_png):
                raise AssertionError(f"{kind.__name__} {number} (seed {seed}): an altered bundle was taken")
            outcome = "harmless"
        except BundleError as error:
            if "\n" in str(error):
                raise AssertionError(f"{kind.__name__} {number} (seed {seed}): {error!r} is several lines") from error
            outcome = "refused"
        took, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1] - before
        if took > MAX_SECONDS or peak > MAX_BYTES:
            raise AssertionError(f"{kind.__name__} {number} (seed {seed}): took {took:.1f} s and {peak} bytes")
        found[f"{kind.__name__}, {outcome}"] += 1
        slowest, most = max(slowest, took), max(most, peak)
    tracemalloc.stop()
    return found, slowest, most


def main(count: int, seed: int) -> None:
    """Fuzz a small signed bundle, most of whose bytes are structure, and print what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        private, public = make_key(Path(folder), "fuzz")
        whole = colour_bundle(Path(folder) / "small.bundle", [read_key(private)]).read_bytes()
    found, slowest, most = fuzz(whole, public, count, seed)
    for what, times in sorted(found.items()):
        print(f"{what}: {times}")
    print(f"{count} damaged bundles: no crash, no altered one taken; slowest {1000 * slowest:.0f} ms")
    print(f"most memory {most / 1e6:.1f} MB, of a bundle of {len(whole) / 1e3:.1f} kB")


if __name__ == "__main__":
    if len(sys.argv) > 3 or not all(word.isdigit() for word in sys.argv[1:]):
        sys.exit(__doc__)
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [200_000, 1][len(numbers) :]))
