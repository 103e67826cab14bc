"""How long the server takes for one picture to label: `python -m tests.scripts.labelling [--pictures N]`.

A SQLite file with N pictures; each item is the page, its picture and the answer, as a supervisor's browser asks.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher, jpeg
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.store.opening import open_database
from warehouse.teaching.queue import LOOKED_AT

ITEMS = 60


def main() -> None:
    """Fill a file, label some, print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2 * LOOKED_AT)
    number = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder, open_database(Path(folder) / "k.sqlite", make=True) as database:
        box = Publisher()
        messages = []
        for index in range(number):
            alert = Alert(id=f"alert-{index}", status="open", opened=datetime.now(UTC))
            messages.append(box.event(f"A-{index:05d}", Verdict.MISMATCH, alert))
            messages.append(box.picture(f"A-{index:05d}", box.ids[-1], jpeg(index % 256)))
        write(database, *messages)
        person = Browser(console_over(database), Role.SUPERVISOR)
        times = sorted(_item(person) for _ in range(ITEMS))
    median, slow = statistics.median(times), times[int(0.95 * ITEMS)]
    print(f"{number} pictures, n = {ITEMS}: median {median * 1000:.0f} ms, 95 % within {slow * 1000:.0f} ms an item")


def _item(person: Browser) -> float:
    began_s = time.perf_counter()
    text = person.get("/teaching").text
    event = text.partition('src="/teaching/')[2].partition("/")[0]
    assert person.get(f"/teaching/{event}/picture").status_code == 200
    assert person.post(f"/teaching/{event}", sku="Tea").status_code == 303
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
