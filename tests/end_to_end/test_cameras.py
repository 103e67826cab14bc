"""The agent with network cameras that fail in every way (FAULTS 18 to 21): stale with a reason, and never an alert."""

import io
import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.sources import MAX_WAIT_S
from kardus.contract.verdicts import ALERTS
from kardus.inference.preprocess import Pixels
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, drawn_stock, grey_frame, skus, write_config
from tests.brokers import Mosquitto
from tests.cameras import HttpCamera, RtspCamera, fuzzed, silent
from tests.dripping import DrippingServer, drips_body, drips_headers, says_nothing
from tests.edge_agent.racks import STOCK, blurred, noisy, nudged, still
from tests.kardus.mqtt.scripted_broker import PUBLISH, ScriptedBroker, acknowledging_nothing
from tests.patience import PATIENCE_S, stretched, within
from tests.proxies import damaging_link
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

KEY = DEMO_KEY.read_text().strip()
FROZEN_S = 2


class Shelf:
    """What a snapshot camera shows now: pictures that change with every request, as a sensor's do."""

    def __init__(self) -> None:
        """Begin with the rack at rest."""
        self._lock = threading.Lock()
        self.show(*(still(number) for number in range(6)))

    def show(self, *pictures: Pixels) -> None:
        """Show these in turn, over and over; a single one is a frozen picture."""
        with self._lock:
            self._jpegs: Iterator[bytes] = itertools.cycle([_jpeg(picture) for picture in pictures])

    def answer(self, handler: Any) -> None:
        """The next picture."""
        with self._lock:
            body = next(self._jpegs)
        handler.send(body)


def _jpeg(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _expect(port: int, stock: dict[str, str | None]) -> None:
    names = skus()
    lines = [StockLine(location, names[name] if name else None) for location, name in stock.items()]
    publish_stock(BrokerSettings("127.0.0.1", port), SITE, lines, replace=False)


def _verdict(wms: WmsSide, location: str) -> str:
    """Of its last state; empty: there is none yet."""
    return str(wms.states.get(location, {}).get("verdict", ""))


def _health(wms: WmsSide, camera: str = "rack") -> list[tuple[str, str]]:
    """The camera's reports, oldest first: status and reason."""
    reports = [m["data"] for topic, m in list(wms.messages) if topic.endswith(f"/cameras/{camera}/health")]
    return [(report["status"], report["reason"]) for report in reports]


def _verdicts(wms: WmsSide) -> set[str]:
    return {state["verdict"] for state in wms.states.values()}


def _all_are(wms: WmsSide, verdict: str) -> bool:
    return len(wms.states) == len(LOCATIONS) and _verdicts(wms) == {verdict}


def _bad_views() -> dict[str, list[Pixels]]:
    """Two pictures of each bad view, so that none of them is frozen as well."""
    grey = np.full_like(still(), 95)
    return {
        "dark": [still(n) // 25 for n in (1, 2)],
        "over-exposed": [(still(n).astype(int) * 5 + n).clip(0, 255).astype(np.uint8) for n in (1, 2)],
        "blurred": [noisy(blurred(still(1), 5), n) for n in (1, 2)],
        "covered": [noisy(grey, n) for n in (1, 2)],
        "moved": [nudged(still(n), 70, 10) for n in (1, 2)],
        "frozen": [still(1)],
    }


def test_whatever_happens_to_the_view_there_is_no_stock_alert(tmp_path: Path, mosquitto: Mosquitto) -> None:
    _expect(mosquitto.port, STOCK)
    shown = Shelf()
    with HttpCamera(shown.answer) as camera, WmsSide(mosquitto.port) as wms:
        source = f'type = "snapshot", url = "{camera.url}", timeout_s = 1'
        extra = f"[view]\nfrozen_after_s = {FROZEN_S}\n"
        agent = AgentProcess(
            write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, interval_s=0.2, extra=extra)
        )
        agent.start()
        wms.wait_for(lambda: _all_are(wms, "match"))
        for problem, pictures in _bad_views().items():
            shown.show(*pictures)
            wms.wait_for(lambda problem=problem: _health(wms)[-1][0] == problem and _all_are(wms, "stale"))  # type: ignore[misc]
            shown.show(*(still(number) for number in range(6)))
            wms.wait_for(lambda: _health(wms)[-1][0] == "ok" and _all_are(wms, "match"))
        camera.answer = silent
        wms.wait_for(lambda: _health(wms)[-1][0] == "lost" and _all_are(wms, "stale"))
        assert "it sends nothing" in _health(wms)[-1][1]
        camera.answer = lambda handler: handler.send(b"\x89PNG nothing", "image/png")
        wms.wait_for(lambda: "not a readable picture" in _health(wms)[-1][1])
        camera.answer = shown.answer
        wms.wait_for(lambda: _all_are(wms, "match"))
        assert agent.terminate()[0] == 0
        assert not [event for event in wms.events if event["verdict"] in ALERTS]


def test_a_camera_that_dies_is_reported_within_twenty_seconds_and_no_other_suffers(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """One agent, two cameras: a stream that is killed, and the rack, which goes on."""
    _expect(mosquitto.port, STOCK)
    shown = Shelf()
    with HttpCamera(shown.answer) as camera, RtspCamera() as stream, WmsSide(mosquitto.port) as wms:
        source = f'type = "snapshot", url = "{camera.url}"'
        config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, interval_s=0.2)
        with config.open("a") as file:
            file.write(
                f'\n[[cameras]]\nname = "aisle"\ninterval_s = 0.2\n'
                f'source = {{ type = "rtsp", url = "{stream.url}", timeout_s = 3 }}\n'
                '[[cameras.locations]]\nid = "B-1"\ncorners = [[20, 20], [100, 20], [100, 100], [20, 100]]\n'
            )
        agent = AgentProcess(config)
        agent.start()
        wms.wait_for(lambda: _health(wms, "aisle")[-1:] == [("ok", "")])
        with within(20):
            stream.kill()
            wms.wait_for(lambda: _health(wms, "aisle")[-1][0] == "lost" and _verdict(wms, "B-1") == "stale")
        wms.wait_for(lambda: {s["verdict"] for loc, s in wms.states.items() if loc != "B-1"} == {"match"})
        stream.start()
        wms.wait_for(lambda: _health(wms, "aisle")[-1] == ("ok", ""))
        with within(8):
            assert agent.terminate()[0] == 0


def test_an_agent_whose_cameras_drip_ends_within_three_seconds(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with (
        DrippingServer(drips_headers) as headers,
        DrippingServer(drips_body) as body,
        DrippingServer(says_nothing) as stream,
    ):
        source = f'type = "snapshot", url = "{headers.url()}", timeout_s = 15'
        config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source)
        _more_cameras(
            config,
            body=f'type = "snapshot", url = "{body.url()}", timeout_s = 15',
            stream=f'type = "mjpeg", url = "{stream.url()}", timeout_s = 15',
        )
        agent = AgentProcess(config)
        agent.start()
        for server in (headers, body, stream):
            assert server.asked.acquire(timeout=PATIENCE_S)
        with within(3):
            assert agent.terminate()[0] == 0


def test_an_agent_whose_broker_says_nothing_ends_within_three_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        grey_frame(tmp_path / "rack.png")
        port = broker.getsockname()[1]
        agent = AgentProcess(write_config(tmp_path, port, DEMO_BUNDLE, KEY, 'type = "file", path = "rack.png"'))
        agent.start()
        broker.settimeout(PATIENCE_S)
        connection, _ = broker.accept()
        with connection, within(3):
            assert agent.terminate()[0] == 0


def test_an_agent_whose_broker_acknowledges_nothing_ends_within_three_seconds(tmp_path: Path) -> None:
    published = threading.Event()

    def answer(kind: int, body: bytes) -> bytes:
        if kind == PUBLISH and b"/events" in body:  # its status comes before there is anything in the outbox
            published.set()
        return acknowledging_nothing(kind, body)

    grey_frame(tmp_path / "rack.png")
    with ScriptedBroker(answer) as broker:
        source = 'type = "file", path = "rack.png"'
        agent = AgentProcess(write_config(tmp_path, broker.port, DEMO_BUNDLE, KEY, source))
        agent.start()
        assert published.wait(PATIENCE_S)
        with within(3):
            code, log = agent.terminate()
    assert code == 0
    assert "messages stay in the outbox until the next start" in log


def _more_cameras(config: Path, **sources: str) -> None:
    """Add cameras with one location each to a configuration; `sources` are the insides of their source tables."""
    with config.open("a") as file:
        for name, source in sources.items():
            file.write(
                f'\n[[cameras]]\nname = "{name}"\ninterval_s = 0.2\nsource = {{ {source} }}\n'
                f'[[cameras.locations]]\nid = "{name}-1"\ncorners = [[4, 4], [40, 4], [40, 40], [4, 40]]\n'
            )


@pytest.mark.slow
def test_cameras_that_fall_silent_are_reported_within_twenty_seconds_by_the_given_time_outs(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """FAULTS 19: they accept connections and send nothing. Slow: the time-outs are those that nobody has configured."""
    _expect(mosquitto.port, STOCK)
    shown = Shelf()
    with HttpCamera(shown.answer) as camera, RtspCamera() as stream, WmsSide(mosquitto.port) as wms:
        source = f'type = "snapshot", url = "{camera.url}"'
        config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, interval_s=1.0)
        _more_cameras(config, aisle=f'type = "rtsp", url = "{stream.url}"')
        agent = AgentProcess(config)
        agent.start()
        wms.wait_for(lambda: _health(wms)[-1:] == _health(wms, "aisle")[-1:] == [("ok", "")])
        with within(20):
            stream.freeze()
            camera.answer = silent
            wms.wait_for(lambda: _health(wms)[-1][0] == _health(wms, "aisle")[-1][0] == "lost")
        stream.thaw()
        camera.answer = shown.answer
        wms.wait_for(lambda: _health(wms)[-1] == _health(wms, "aisle")[-1] == ("ok", ""))
        assert agent.terminate()[0] == 0


def test_malformed_streams_kill_no_agent_and_disturb_no_other_camera(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """FAULTS 22: damaged RTSP and damaged MJPEG, beside a camera that works."""
    _expect(mosquitto.port, STOCK)
    shown = Shelf()
    with (
        HttpCamera(shown.answer) as camera,
        HttpCamera(fuzzed(22)) as mad,
        RtspCamera() as stream,
        damaging_link(stream.port, 22, 0.002) as damaged_port,
        WmsSide(mosquitto.port) as wms,
    ):
        source = f'type = "snapshot", url = "{camera.url}"'
        config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, interval_s=0.2)
        timeout_s = round(min(stretched(1), MAX_WAIT_S))  # a decoder has to start within it, on a busy machine too
        _more_cameras(
            config,
            mad=f'type = "mjpeg", url = "{mad.url}", timeout_s = {timeout_s}',
            hurt=f'type = "rtsp", url = "rtsp://127.0.0.1:{damaged_port}/shelf", timeout_s = {timeout_s}',
        )
        agent = AgentProcess(config)
        agent.start()
        wms.wait_for(lambda: {s["verdict"] for loc, s in wms.states.items() if loc in STOCK} == {"match"})
        wms.wait_for(lambda: len(mad.requests) >= 5 and "lost" in {status for status, _ in _health(wms, "hurt")})
        wms.wait_for(lambda: "lost" in {status for status, _ in _health(wms, "mad")})
        wms.wait_for(lambda: _health(wms)[-1] == ("ok", ""))
        code, log = agent.terminate()
        assert (code, "Traceback" in log) == (0, False)
        assert not [event for event in wms.events if event["verdict"] in ALERTS]


def test_a_camera_that_was_never_there_holds_up_neither_the_start_nor_the_stop(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with WmsSide(mosquitto.port) as wms:
        source = 'type = "rtsp", url = "rtsp://127.0.0.1:9/shelf"'
        agent = AgentProcess(write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source))
        agent.start()
        wms.wait_for(lambda: _health(wms)[-1:] != [] and _all_are(wms, "stale"))
        assert "Connection refused" in _health(wms)[-1][1]
        with within(8):
            code, log = agent.terminate()
        assert code == 0
        assert "Traceback" not in log


def test_a_nudged_camera_is_followed_without_a_word(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """One nudge; how far it may be is the view guard's matter."""
    stock = drawn_stock(11, empty=(LOCATIONS[3],))
    assert stock == STOCK
    _expect(mosquitto.port, stock)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(14):
        pixels = still(number) if number < 6 else nudged(still(number % 6), 20, -12)
        Image.fromarray(pixels).save(folder / f"{number:02d}.jpg", quality=92)
    with WmsSide(mosquitto.port) as wms:
        agent = AgentProcess(
            write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, f'type = "folder", path = "{folder}"')
        )
        agent.start()
        assert agent.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        assert {event["verdict"] for event in wms.events} <= {"match", "unmanaged"}
        assert _all_are(wms, "match")
