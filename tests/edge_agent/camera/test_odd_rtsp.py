"""RTSP cameras with habits of their own: what FFmpeg takes of them, and what is said of those that it doesn't."""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from av.error import FFmpegError
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.camera.decoding import StreamRequest
from edge_agent.camera.errors import NoAnswerError
from edge_agent.camera.live import LiveDecoder
from edge_agent.camera.refusals import UDP_ALONE, refused
from edge_agent.camera.stream import rtsp_request
from edge_agent.config.sources import RtspSource
from tests.cameras import PASSWORD, USER
from tests.patience import PATIENCE_S
from tests.scripted_rtsp import AUDIO, EVERY_S, HEIGHT, VIDEO, WIDTH, Habits, OddRtspCamera

KEPT_ALIVE = Habits(session="12345678;timeout=2", silent_after_s=2.0)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """A file with it."""
    (tmp_path / "password").write_text(PASSWORD)
    return tmp_path / "password"


TAKEN = {
    "parameters in the band alone, no frame rate": Habits(),
    "a frame rate of 0": Habits(media=((*VIDEO, "a=framerate:0", "a=control:video"),)),
    "audio first": Habits(media=((*AUDIO, "a=control:trackID=0"), (*VIDEO, "a=control:trackID=1"))),
    "two video streams": Habits(media=((*VIDEO, "a=control:trackID=0"), (*VIDEO, "a=control:trackID=1"))),
    "no address of its stream": Habits(media=(VIDEO,)),
    "its stream's whole address": Habits(media=((*VIDEO, "a=control:{url}/trackID=0"),)),
    "it has to be kept alive": KEPT_ALIVE,
    "and doesn't know GET_PARAMETER": Habits(
        session=KEPT_ALIVE.session,
        silent_after_s=KEPT_ALIVE.silent_after_s,
        refuses={"GET_PARAMETER": "501 Not Implemented"},
    ),
    "a nonce is soon too old": Habits(nonces=("first", "second", "third")),
    "it sends us on": Habits(moved="{base}/elsewhere"),
}


def _request(camera: OddRtspCamera, password: Path | None = None) -> StreamRequest:
    login = {"username": USER, "password_file": password} if password else {}
    return rtsp_request(RtspSource(type="rtsp", url=camera.url, timeout_s=15, decode="all", **login))


def _pictures(habits: Habits, password: Path) -> set[tuple[int, int]]:
    """The sizes of some pictures: of more than a camera gives that isn't kept alive, where it has to be."""
    count = int(2 * habits.silent_after_s / EVERY_S) or 1
    with OddRtspCamera(habits) as camera, _followed(_request(camera, password if habits.nonces else None)) as live:
        taken = [live.take("moving", 20) for _ in range(count)]
    return {(one.frame.width, one.frame.height) for one in taken if one is not None and not isinstance(one, str)}


@contextlib.contextmanager
def _followed(stream: StreamRequest) -> Iterator[LiveDecoder]:
    """In this process, to be cheap; nothing is waited for without end."""
    live = LiveDecoder(stream)
    threading.Thread(target=_follow, args=(live,), daemon=True).start()
    limit = threading.Timer(PATIENCE_S / 4, live.end, ["it took too long"])
    limit.start()
    try:
        yield live
    finally:
        limit.cancel()


def _follow(live: LiveDecoder) -> None:
    try:
        live.follow()
    except (FFmpegError, NoAnswerError, ValueError) as error:
        live.end(str(error))
    else:
        live.end("it has ended")


def test_a_camera_that_words_things_in_its_own_way_gives_pictures(password: Path) -> None:
    with ThreadPoolExecutor(len(TAKEN)) as all_at_once:
        found = dict(zip(TAKEN, all_at_once.map(_pictures, TAKEN.values(), itertools.repeat(password)), strict=False))
    assert found == {name: {(WIDTH, HEIGHT)} for name in TAKEN}


REFUSED = {
    "without which no stream is opened": Habits(refuses={"OPTIONS": "501 Not Implemented"}),
    "it answers DESCRIBE with 302 Moved Temporarily and sends us on to rtsps://127.0.0.1:9/live: if": Habits(
        moved="rtsps://127.0.0.1:9/live"
    ),
    "it answers DESCRIBE with 404 Not Here": Habits(refuses={"DESCRIBE": "404 Not Here"}),
    "it answers DESCRIBE with 503 Too Many Viewers": Habits(refuses={"DESCRIBE": "503 Too Many Viewers"}),
    UDP_ALONE: Habits(refuses={"SETUP": "461 Unsupported Transport"}),
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_camera_that_refuses_is_quoted_with_what_to_do(said: str) -> None:
    with OddRtspCamera(REFUSED[said]) as camera, pytest.raises(NoAnswerError) as refusal:
        LiveDecoder(_request(camera)).follow()
    assert said in str(refusal.value)


def test_where_a_camera_sends_us_on_nobody_is_told_who_looks(password: Path) -> None:
    with OddRtspCamera(Habits(nonces=("first",))) as other:
        for habits in (Habits(moved=other.url), Habits(moved=other.url, nonces=("first",))):
            with OddRtspCamera(habits) as camera, pytest.raises(NoAnswerError, match="into url"):
                LiveDecoder(_request(camera, password)).follow()
        assert other.heard == []


def test_a_camera_that_lets_nobody_in_is_asked_no_more(password: Path) -> None:
    with (
        OddRtspCamera(Habits(refuses={"DESCRIBE": "401 Unauthorized"})) as camera,
        pytest.raises(FFmpegError) as refusal,
    ):
        LiveDecoder(_request(camera, password)).follow()
    assert "401" in str(refusal.value)
    assert len(camera.heard) == 2, "not once more, to find out why"


def test_a_camera_that_hangs_up_in_the_middle_is_no_wait() -> None:
    with OddRtspCamera(Habits(hangs_up_after=10)) as camera:
        LiveDecoder(_request(camera)).follow()  # it ends


@settings(max_examples=25)
@given(st.text(max_size=200))
def test_whatever_is_answered_it_is_no_refusal_or_a_line(answer: str) -> None:
    assert "\n" not in refused("DESCRIBE", answer)


def test_a_login_in_the_address_it_sends_us_on_to_is_not_shown() -> None:
    answer = "RTSP/1.0 302 Moved\r\nLocation: rtsp://admin:s3cret@10.0.0.9/live\r\n\r\n"
    assert "rtsp://10.0.0.9/live" in refused("DESCRIBE", answer)
    assert "s3cret" not in refused("DESCRIBE", answer)
