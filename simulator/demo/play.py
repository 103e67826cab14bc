"""Plays the demo from beginning to end."""

import contextlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.text import Text

from kardus.contract.messages import LocationEvent, LocationState
from kardus.contract.topics import agents_filter
from kardus.inference.bundle import read_bundle
from kardus.mqtt.client import MqttClient
from kardus.support.console import out
from kardus.support.errors import KardusError
from kardus.support.files import made_folder, write_whole
from simulator.demo.broker import RunningBroker, run_broker
from simulator.demo.browser import program
from simulator.demo.judge import DemoOutcome, is_report_of, judge_demo, scripted_faults
from simulator.demo.page import RunningPage, run_page
from simulator.demo.report import FramePainter, ReportedFrame, write_messages, write_report
from simulator.pictures import DrawnPictures
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Script, demo_script
from simulator.shelf import Shelf
from warehouse.console.pages.content.places import place_of
from warehouse.receiving.site_monitor import SiteMonitor
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SITE = "demo"
INTERVAL_S = 0.25
TIME_LIMIT_S = 300.0
"""A guard against an agent that hangs: it ends with the last frame, after half a minute, or later where it is slow."""
PICTURES_S = 3.0
"""So long the shelf stands still at the end where a browser takes pictures of the page."""
DEMO_BUNDLE = Path(str(files("simulator.demo") / "demo.bundle"))
DEMO_KEY = Path(str(files("simulator.demo") / "demo.pub"))


@dataclass
class MessageRecording:
    """What the WMS side received, and how the shelf stood when each fault was first reported."""

    painter: FramePainter
    monitor: SiteMonitor = field(default_factory=SiteMonitor)
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    events: list[LocationEvent] = field(default_factory=list)
    pictures: dict[str, ReportedFrame] = field(default_factory=dict)
    all_told: threading.Event = field(default_factory=threading.Event)
    """Set once every fault was reported, or nothing more will come."""

    def keep(self, what: str, frame: ReportedFrame) -> None:
        """Show a frame in the report, but only the first one of the same."""
        if what not in self.pictures:
            self.pictures[what] = frame
            self.painter.begin(frame)


def play_demo(seed: int, folder: Path, broker_kind: str, stay_s: float = 0.0, *, has_page: bool = True) -> bool:
    """Play one shelf, show it live, and write pictures, messages and report to the folder.

    With a page, a browser can follow it meanwhile; the shelf then stands still for `stay_s` seconds more.

    Returns whether every fault was reported at its location, and nothing else was.

    Raises:
        KardusError: the broker or the agent doesn't start.
    """
    with made_folder("--out", folder):
        return _play(seed, folder, broker_kind, stay_s, has_page=has_page)


def _play(seed: int, folder: Path, broker_kind: str, stay_s: float, *, has_page: bool) -> bool:
    rack = Rack()
    pictures = DrawnPictures()
    script = demo_script([slot.location for slot in rack.slots()], pictures.stock(), seed)
    shelf = Shelf(rack, pictures, script)
    began = time.monotonic()
    with FramePainter(shelf) as painter:
        recording = MessageRecording(painter)
        with run_broker(broker_kind) as broker:
            shots = _watch(recording, script, shelf, broker, stay_s, has_page=has_page)
        outcome = judge_demo(script, shelf.skus(), recording.events)
        facts = {
            "Shelf": f"seed {seed}, {len(script.expected)} locations, {script.frames} frames",
            "Broker": broker.name,
            "Model": read_bundle(DEMO_BUNDLE).title,
            "Messages": str(len(recording.messages)),
            "Time": f"{time.monotonic() - began:.0f} s",
        }
        _write_folder(folder, script, recording, outcome, facts, shots)
    _print_outcome(outcome, folder)
    return outcome.passed


def _watch(
    recording: MessageRecording, script: Script, shelf: Shelf, broker: RunningBroker, stay_s: float, *, has_page: bool
) -> dict[str, bytes]:
    """Play the shelf before the agent, with the warehouse's side; what the page shows of it, where there is one."""
    out.print(f"Shelf {script.seed}: {len(script.expected)} locations, {script.frames} frames; broker: {broker.name}")
    again = round(max(stay_s, PICTURES_S if program() else 0.0) / INTERVAL_S) if has_page else 0
    with tempfile.TemporaryDirectory(prefix="kardus-demo-") as scratch:
        config = _write_config(Path(scratch), shelf.rack, script.seed, broker, again)
        with run_page(Path(scratch), SITE, broker, DEMO_BUNDLE) if has_page else contextlib.nullcontext() as page:
            if page:
                out.print(f"Page: {page.link} (open it in a browser; the address is good once)", soft_wrap=True)
            with ThreadPoolExecutor(1) as photographer:
                shots = photographer.submit(_shots, page, script, recording) if page else None
                _record(recording, script, shelf, broker, config, TIME_LIMIT_S + stay_s)
    return shots.result() if shots else {}


def _shots(page: RunningPage, script: Script, recording: MessageRecording) -> dict[str, bytes]:
    """What the page shows once all is told; nothing where no browser takes it, which is no fault of the shelf."""
    recording.all_told.wait()
    try:
        return page.pictures(place_of(min(script.expected)).rack)
    except KardusError as error:
        out.print(f"No pictures of the page: {error}", soft_wrap=True)
        return {}


def _write_config(scratch: Path, rack: Rack, seed: int, broker: RunningBroker, again: int) -> Path:
    """The same configuration file that a real agent has, with a simulated camera."""
    path = scratch / "agent.toml"
    key = DEMO_KEY.read_text(encoding="utf-8").strip()
    text = f"""
[agent]
site = "{SITE}"
name = "rack-agent"
data_dir = "data"

[model]
bundle = "{DEMO_BUNDLE}"
trust = ["{key}"]

[mqtt]
host = "127.0.0.1"
port = {broker.port}
version = "{broker.mqtt_version}"

"""
    cameras = camera_toml(rack, f'type = "simulated", seed = {seed}, again = {again}', interval_s=INTERVAL_S)
    path.write_text(text + cameras, encoding="utf-8")
    return path


def _record(  # noqa: PLR0917 - what the demo is made of
    recording: MessageRecording, script: Script, shelf: Shelf, broker: RunningBroker, config: Path, limit_s: float
) -> None:
    """Let the agent look at the shelf, and keep what it says."""
    inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    publish_stock(
        broker.settings, SITE, [StockLine(location, sku) for location, sku in script.expected.items()], replace=False
    )
    with MqttClient(broker.settings, [(agents_filter(SITE), 1)], lambda *message: inbox.put(message)):
        agent = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-m", "edge_agent", "run", str(config)], stderr=subprocess.PIPE, text=True
        )
        try:
            _follow(script, shelf, recording, inbox, agent, limit_s=limit_s)
        finally:
            agent.terminate()
            _, complaint = agent.communicate()
            recording.all_told.set()  # or will never be
        if agent.returncode not in (
            0,
            -signal.SIGTERM,
            128 + signal.SIGTERM,
        ):  # which is ours, before it could answer to it
            raise KardusError(f"the agent stopped with exit code {agent.returncode}: {complaint.strip()}")
        while not inbox.empty():
            _take(recording, script, shelf, *inbox.get())


def _follow(
    script: Script,
    shelf: Shelf,
    recording: MessageRecording,
    inbox: queue.SimpleQueue[tuple[str, bytes]],
    agent: subprocess.Popen[str],
    *,
    limit_s: float,
) -> None:
    """Take messages in and show the table until the agent has seen every frame."""
    deadline = time.monotonic() + limit_s
    with Live(_screen(recording), console=out, auto_refresh=False, transient=False) as live:
        while agent.poll() is None and time.monotonic() < deadline:
            try:
                _take(recording, script, shelf, *inbox.get(timeout=0.2))
            except queue.Empty:
                continue
            if inbox.empty():
                live.update(_screen(recording), refresh=True)
        live.update(_screen(recording), refresh=True)
    out.print()
    if agent.poll() is None:
        late = f"The agent hasn't seen every frame within {limit_s:.0f} s: it hangs, or this machine is too busy."
        out.print(late, soft_wrap=True)


def _take(recording: MessageRecording, script: Script, shelf: Shelf, topic: str, payload: bytes) -> None:
    received = recording.monitor.update(topic, payload)
    recording.messages.append((topic, payload))
    if received is None:
        return
    data = received.content.data
    if isinstance(data, LocationEvent):
        recording.events.append(data)
    elif isinstance(data, LocationState):
        _remember_pictures(recording, script, shelf, data)


def _remember_pictures(recording: MessageRecording, script: Script, shelf: Shelf, state: LocationState) -> None:
    """Keep how the shelf stood when everything was first seen, and at each first report of a fault."""
    states = {location: s for (_, location), s in recording.monitor.states.items()}
    if len(states) == len(script.expected):
        recording.keep("start", ReportedFrame("start.png", "At the start", 4, states))
    faults = scripted_faults(script, shelf.skus())
    for number, fault in enumerate(faults, start=1):
        known = [event for event in recording.events if is_report_of(event, fault)]
        if known and state.location == fault.location and fault.location not in recording.pictures:
            name = f"fault-{number}-{fault.kind.replace('_', '-')}.png"
            caption = f"{fault.kind.replace('_', ' ').capitalize()} at {fault.location}: {fault.verdict}"
            frame = min(fault.frame + 3, script.frames - 1)
            recording.keep(fault.location, ReportedFrame(name, caption, frame, states))
    if all(fault.location in recording.pictures for fault in faults):
        recording.all_told.set()


def _screen(recording: MessageRecording) -> Group:
    monitor = recording.monitor
    return Group(monitor.table(), f"{len(recording.messages)} messages, {monitor.alert_count()} alerts")


def _write_folder(  # noqa: PLR0917 - what the demo was made of
    folder: Path,
    script: Script,
    recording: MessageRecording,
    outcome: DemoOutcome,
    facts: dict[str, str],
    shots: dict[str, bytes],
) -> None:
    for pattern in ("fault-*.png", "start.png", "end.png", "page-*.png"):
        for old in folder.glob(pattern):
            old.unlink()
    states = {location: s for (_, location), s in sorted(recording.monitor.states.items())}
    recording.keep("end", ReportedFrame("end.png", "At the end", script.frames - 1, states))
    for name, picture in (shots | recording.painter.finished()).items():
        write_whole(folder / name, picture)
    pictures = sorted(recording.pictures.values(), key=lambda picture: picture.frame)
    write_messages(folder / "messages.jsonl", recording.messages)
    write_report(folder / "report.html", outcome, states, pictures, facts, [*shots])


def _print_outcome(outcome: DemoOutcome, folder: Path) -> None:
    for fault in outcome.faults:
        mark = Text("reported", "green") if fault.reported else Text("NOT REPORTED", "bold red")
        out.print(Text(f"{fault.kind.replace('_', ' '):14} {fault.location}  {fault.verdict:10} ") + mark)
    for event in outcome.false_alerts:
        out.print(Text(f"false alert    {event.location}  {event.verdict}", "bold red"))
    for location in outcome.wrong_states:
        out.print(Text(f"wrong at the end {location}", "bold red"))
    result = Text("PASSED", "bold green") if outcome.passed else Text("FAILED", "bold red")
    out.print(result + f": {folder / 'report.html'}", soft_wrap=True)
