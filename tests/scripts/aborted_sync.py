"""Whether the kernel's word holds while a file system is being stopped: python -m tests.scripts.aborted_sync [TIMES].

A thread writes numbered pages to a fresh ext4 and calls fdatasync after each; the file system is aborted meanwhile, as
at a fault of the disk (FAULTS 14). Then the disk is looked at: is the last page there whose fdatasync said so? There
is no SQLite and nothing of the agent in it. Needs root.
"""

import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from tests.faults.disks import Image, abort, mounted

PAGE, PAGES = 4096, 200


def main(times: int) -> None:
    """Abort so often, and count what is missing."""
    rng, missing = random.Random(times), Counter[int]()
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            missing[_abort_once(Path(folder), rng.uniform(0.05, 0.3))] += 1
    print(f"{times} times: " + ", ".join(f"{n} confirmed pages gone: {c}" for n, c in sorted(missing.items())))


def _abort_once(folder: Path, after_s: float) -> int:
    """How many pages are gone that fdatasync has confirmed."""
    image, confirmed = Image(folder / "disk.img"), [0]
    with mounted(image.path, folder / "disk") as disk:
        writer = threading.Thread(target=_write, args=(disk / "pages", confirmed))
        writer.start()
        time.sleep(after_s)  # the moment is what is random here
        abort(disk)
        writer.join()
    shutil.copyfile(image.path, folder / "copy.img")
    with mounted(folder / "copy.img", folder / "after") as after:
        data = (after / "pages").read_bytes()
    there = max((int.from_bytes(data[at : at + 8]) for at in range(0, len(data), PAGE)), default=0)
    return max(0, confirmed[0] - there)


def _write(path: Path, confirmed: list[int]) -> None:
    """Number after number in its place, round and round, until the disk takes no more."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        while True:
            number = confirmed[0] + 1
            os.pwrite(file, number.to_bytes(8) + bytes(PAGE - 8), number % PAGES * PAGE)
            os.fdatasync(file)
            confirmed[0] = number
    except OSError:
        return  # the disk is stopped
    finally:
        os.close(file)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
