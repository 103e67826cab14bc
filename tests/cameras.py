"""Cameras on the network for the tests: a real RTSP server, and an HTTP server that can misbehave."""

import base64
import contextlib
import hashlib
import io
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from PIL import Image

from simulator.demo.broker import free_port
from tests.patience import children

PYTHON = Path("/usr/bin/python3")
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
)
USER, PASSWORD, REALM = "viewer", "s3cret", "shelf"


class RtspCamera:
    """GStreamer's RTSP server in a process of its own."""

    def __init__(self, codec: str = "h264", *, login: bool = False, chain: Path | None = None) -> None:
        """Choose a port; `start` runs it. `chain` holds certificate and key, for RTSP over TLS."""
        self.port = free_port()
        self.url = f"{'rtsps' if chain else 'rtsp'}://127.0.0.1:{self.port}/shelf"
        user, password = (USER, PASSWORD) if login else ("", "")
        self._command = [
            str(PYTHON),
            str(Path(__file__).with_name("rtsp_server.py")),
            str(self.port),
            codec,
            user,
            password,
            str(chain or ""),
        ]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run it and wait until it listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout
        if self.process.stdout.readline().strip() != "ready":
            _, said = self.process.communicate()
            pytest.fail(f"no RTSP server: apt-get install {PACKAGES}, then run the tests again\n{said}")

    def freeze(self) -> None:
        """Stop it in its tracks: connections are accepted, and nothing is sent any more."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        if self.process:
            self.process.kill()
            self.process.communicate()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill."""
        self.kill()


def jpeg(shade: int, width: int = 64, height: int = 48) -> bytes:
    """A picture of one shade."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), shade, np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def chart(width: int = 128, height: int = 96) -> Image.Image:
    """Saturated colours in fields of 16 pixels, large enough to survive coarse colours in video and JPEG."""
    rng = np.random.default_rng(7)
    fields = rng.choice([0, 60, 130, 190, 255], (-(-height // 16), -(-width // 16), 3)).astype(np.uint8)
    pixels = fields.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    return Image.fromarray(pixels)


def chart_jpeg() -> bytes:
    """The chart, whose code is spread over all of the picture."""
    buffer = io.BytesIO()
    chart().save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    """Answers as the camera's `answer` says."""

    camera: "HttpCamera"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Let the camera answer."""
        self.camera.requests.append(dict(self.headers))
        with contextlib.suppress(OSError):
            self.camera.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def send(self, body: bytes, kind: str = "image/jpeg", status: int = 200, **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


Answer = Callable[[_Handler], None]


class HttpCamera:
    """An HTTP server whose next answers are what `answer` does."""

    def __init__(self, answer: Answer) -> None:
        """Listen."""
        self.answer = answer
        self.requests: list[dict[str, str]] = []
        self.stopping = threading.Event()
        handler = type("Handler", (_Handler,), {"camera": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/snapshot.jpg"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        """It listens already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


def basic(handler: _Handler) -> None:
    """Ask for user and password, readable."""
    given = handler.headers.get("Authorization", "")
    if given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
        handler.send(jpeg(120))
    else:
        handler.send(b"", status=401, WWW_Authenticate=f'Basic realm="{REALM}"')


def digest(handler: _Handler) -> None:
    """Ask for user and password as a digest (RFC 7616, MD5, qop auth)."""
    challenging([digest_challenge("MD5")])(handler)


def digest_challenge(algorithm: str) -> str:
    """How a camera asks for a digest."""
    return f'Digest realm="{REALM}", nonce="n1", algorithm={algorithm}, qop="auth"'


def challenging(challenges: list[str], nonce: str = "n1") -> Answer:
    """Ask for user and password as a digest, with headers of these values; answers of this nonce are right."""

    def answer(handler: _Handler) -> None:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', handler.headers.get("Authorization", "")))
        if given.get("nonce") == nonce and given.get("response") == _response(given):
            handler.send(jpeg(120))
            return
        handler.send_response(401)
        handler.send_header("Content-Length", "0")
        for challenge in challenges:
            handler.send_header("WWW-Authenticate", challenge)
        handler.end_headers()

    return answer


def _response(given: dict[str, str]) -> str:
    name = {"SHA-256": "sha256", "SHA-512-256": "sha512_256"}.get(given.get("algorithm", ""), "md5")

    def hashed(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    secret, request = hashed(f"{USER}:{REALM}:{PASSWORD}"), hashed(f"GET:{given.get('uri', '')}")
    counted = [given["nc"], given["cnonce"], given["qop"]] if "qop" in given else []
    return hashed(":".join([secret, given["nonce"], *counted, request]))


def silent(handler: _Handler) -> None:
    """Take the request and say nothing, until the camera is taken away."""
    handler.camera.stopping.wait()


def dripping(handler: _Handler) -> None:
    """Send a byte now and then, so that no single read is ever late."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.camera.stopping.wait(0.05):
        handler.wfile.write(b"x")


def endless(handler: _Handler) -> None:
    """Send for ever, as fast as it goes."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.camera.stopping.is_set():
        handler.wfile.write(b"x" * 1_000_000)


def hanging_up(handler: _Handler) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(jpeg(1)[:100])
    handler.close_connection = True


def mjpeg(shades: Iterator[int], pause_s: float = 0.05) -> Answer:
    """JPEG after JPEG."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for shade in shades:
            picture = jpeg(shade)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            handler.wfile.write(head.encode() + picture + b"\r\n")
            time.sleep(pause_s)  # the camera's own pace
        handler.close_connection = True

    return answer


def fuzzed(seed: int) -> Answer:
    """JPEG after JPEG, damaged anywhere: the pictures, their headers and what lies between; then nonsense."""
    rng = random.Random(seed)

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for shade in range(30):
            picture = bytearray(jpeg(8 * shade))
            part = bytearray(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture))
            part += picture + b"\r\n"
            for _ in range(rng.randrange(4)):
                part[rng.randrange(len(part))] = rng.randrange(256)
            handler.wfile.write(bytes(part))
            time.sleep(0.02)  # the camera's own pace
        handler.wfile.write(rng.randbytes(5000))
        handler.close_connection = True

    return answer


def decoders() -> list[int]:
    """The decoding processes of this process's own cameras: it may have other children (a database of the tests)."""
    return [process for process in children() if "edge_agent.camera.decoding.decoder" in command_line(process)]


def command_line(process: int) -> str:
    """Its words, with blanks between; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
