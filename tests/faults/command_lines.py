"""Every command of Kardus as a line of its own, in an order in which each finds what it needs.

`HERE` is the address of the broker, and `BROKER` its port; files lie in the present folder, as `made_folder` has made
them.
"""

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import typer.main

from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.rack_labels import RackLabels
from simulator.scene import Rack
from tests.agents import drawn_stock, still_frames, write_config
from tests.conftest import BIN
from tests.pictures import seen_through
from tests.publishers import SITE, Publisher
from tests.scripts.reference import COMMANDS
from tests.train.making import labelled
from tests.warehouse.teaching.judged import judge
from warehouse.console.identity.tokens import list_tokens, make_token
from warehouse.store.labels import StatedTruth
from warehouse.store.opening import open_database

TRAIN = (
    "kardus-train check-data photos",
    "kardus-train fit photos --out run --epochs 1 --size 64 --refit 0",
    "kardus-export build run --out made.bundle",
    "kardus-export verify made.bundle",
    "kardus-train evaluate made.bundle photos",
    "kardus-train study photos --out study --quick --arch timm:tf_efficientnet_lite0",
)
"""With the network and the weights that they begin with by default."""
BUNDLES = (
    "kardus-export keys make desk",
    "kardus-export keys list",
    "kardus-export keys rotate DEMO --sign desk.key --out rotated.bundle",
    "kardus-export enroll DEMO photos/red/0.png --name new --out more.bundle",
    "kardus-export retire more.bundle new --out less.bundle",
    "kardus-export diff DEMO less.bundle --data photos",
    "kardus-export bench DEMO --seconds 0.1 --threads 1",
    "kardus-export inspect less.bundle",
    "kardus-export convert portable.bundle --to openvino --out converted",
    "kardus-wms labels request asked --database events.sqlite --sku Milk",
    "kardus-export answer asked DEMO --sign desk.key",
)
REACHED = f"--site {SITE} --host HERE --port BROKER"
STORED = "--database events.sqlite"
WAREHOUSE = (
    f"kardus-wms database migrate {STORED}",
    f"kardus-wms receive {STORED} {REACHED} --seconds 1",
    f"kardus-wms expect stock/stock.csv {REACHED}",
    f"kardus-wms sync sync.toml {REACHED} --seconds 3 --yes",
    f"kardus-wms watch {REACHED} --seconds 1",
    f"kardus-wms forget box {REACHED}",
    f"kardus-wms deliver deliver.toml {STORED} --seconds 3",
    f"kardus-wms serve {STORED} --host HERE --port BROKER --listen 127.0.0.1:0 --seconds 2",
    f"kardus-wms report {STORED} --html report.html --xlsx report.xlsx",
    f"kardus-wms export {STORED} --mapping gs1.toml --epcis events.json",
    f"kardus-wms labels export taught {STORED}",
    f"kardus-wms users add Wati {STORED} --role administrator --password-file password",
    f"kardus-wms users add Budi {STORED} --role viewer --password-file password",
    f"kardus-wms users list {STORED}",
    f"kardus-wms users password Budi {STORED} --password-file password",
    f"kardus-wms users role Budi operator {STORED}",
    f"kardus-wms users remove Budi {STORED}",
    f"kardus-wms tokens make {STORED} --name n --scope read",
    f"kardus-wms tokens list {STORED}",
    f"kardus-wms tokens revoke TOKEN {STORED}",
    f"kardus-wms database check {STORED}",
    "kardus-wms database migrate --database copy.sqlite",
    "kardus-wms database copy events.sqlite copy.sqlite",
    "kardus-wms authority init authority --site s1",
    "kardus-wms authority issue authority device box",
    "kardus-wms authority list authority",
    "kardus-wms authority renew authority box",
    "kardus-wms authority revoke authority box",
)
AGENT = (
    "kardus-agent check agent.toml",
    "kardus-agent run agent.toml",
    "kardus-agent schema",
    "kardus-agent slots snapshot agent.toml --out now.png",
    "kardus-agent slots grid --outline '[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]' --levels 3 --positions 5",
    "kardus-agent slots draw agent.toml --out slots.png",
    "kardus-agent slots check agent.toml",
    "kardus-agent slots find labelled.png",
    "kardus-agent simulate dataset drawn --train 2 --val 0",
    "kardus-agent simulate script script.json --frames 20",
    "kardus-agent simulate shelf shelf --script script.json",
    "kardus-agent replay shelf --config agent.toml",
    "kardus-agent demo --no-page",
)
QUICKER = """
from train.__main__ import main
from train.study import study
study.QUICK, study.FOLDS = {"size": 32, "epochs": 1, "batch": 8, "precision": "32"}, 2
main()
"""
"""The study takes half an hour with `--quick`: a run of each kind is enough."""
LINES = {"train": TRAIN, "bundles": BUNDLES, "warehouse": WAREHOUSE, "agent": AGENT}


def every_command() -> Iterator[str]:
    """Every command of every program, as the parser itself has them: `kardus-wms users add`."""
    waiting = [(name, typer.main.get_command(app)) for name, app in COMMANDS.items()]
    while waiting:
        name, command = waiting.pop()
        if not isinstance(command, typer.core.TyperGroup):
            yield name
            continue
        context = typer.Context(command)
        waiting += [(f"{name} {part}", found(command, context, part)) for part in command.list_commands(context)]


def found(group: typer.core.TyperGroup, context: typer.Context, name: str) -> Any:
    """A command of a group, that too which it loads when it is asked for."""
    command = group.get_command(context, name)
    assert command is not None, name
    return command


def command_of(line: str) -> str:
    """The command that a line calls: its words up to the first that the parser doesn't know as a command."""
    words = line.split()
    command: Any = typer.main.get_command(COMMANDS[words[0]])
    for count, word in enumerate(words[1:], start=1):
        if not isinstance(command, typer.core.TyperGroup):
            return " ".join(words[:count])
        command = found(command, typer.Context(command), word)
    return " ".join(words)


def words_of(line: str, places: Mapping[str, object]) -> list[str]:
    """A line as the words of a process."""
    filled = [str(places.get(word, word)) for word in shlex.split(line)]
    if filled[1] == "study":
        return [sys.executable, "-c", QUICKER, *filled[1:]]
    return [str(BIN / filled[0]), *filled[1:]]


def made_folder(folder: Path, host: str, broker: int, web: int) -> dict[str, object]:
    """Make what the lines of all but the trained models need; what stands for the words in capitals."""
    labelled(folder / "photos", val=1)
    _warehouse_files(folder, host, web)
    still_frames(folder / "frames", [drawn_stock(3)], each=4)
    source = 'type = "folder", path = "frames"'
    config = write_config(folder, broker, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), source)
    config.write_text(config.read_text().replace('host = "127.0.0.1"', f'host = "{host}"'))
    rack = Rack(2, 3, 960, 540, labels=RackLabels("qr", 2.5))
    rng = np.random.default_rng(5)
    seen_through(rack.background(rng), rng, 0.6).save(folder / "labelled.png")
    return {"HERE": host, "BROKER": broker, "DEMO": DEMO_BUNDLE, "TOKEN": _stored(folder / "events.sqlite")}


def _warehouse_files(folder: Path, host: str, web: int) -> None:
    (folder / "stock").mkdir()
    (folder / "stock" / "stock.csv").write_text("location,sku\nA-01-1-01,4711\n")
    (folder / "gs1.toml").write_text('gln = "4012345000009"\n')
    (folder / "sync.toml").write_text('poll_s = 1\n[source]\nkind = "folder"\nfolder = "stock"\npattern = "*.csv"\n')
    secrets = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "password": "a long one of words"}
    for name, text in secrets.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    target = f'kind = "webhook"\nurl = "http://{host}:{web}/told"\nsecret_file = "secret"\n'
    (folder / "deliver.toml").write_text(f'begin = "first"\n[targets.office]\n{target}')


def _stored(path: Path) -> str:
    """A database with alerts, pictures and labels; the id of a token for its API."""
    with open_database(path, make=True) as database:
        box = Publisher()
        for number in range(3):
            judge(database, box, f"A-{number}", StatedTruth.PRODUCT, "Milk")
        make_token(database, "till", ["read"], None)
        return list_tokens(database)[0].id
