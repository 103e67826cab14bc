"""RTSP cameras with habits of their own: what FFmpeg takes of them, and what is said of those that it doesn't."""

import contextlib
import errno
import itertools
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest
from av.error import FFmpegError
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.camera.decoding import refusals
from edge_agent.camera.decoding.live import LiveDecoder
from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.decoding.refusals import UDP_ALONE, refused
from edge_agent.camera.decoding.stream import rtsp_request
from edge_agent.camera.errors import NoAnswerError
from edge_agent.camera.passwords import HIDDEN_ADDRESS, without_login
from edge_agent.config.sources import RtspSource
from tests.cameras import PASSWORD, USER
from tests.dripping import DRIP_S, DrippingServer
from tests.https_server import fingerprint, make_certificates
from tests.patience import PATIENCE_S
from tests.scripted_rtsp import AUDIO, HEIGHT, MPEG4, VIDEO, WIDTH, Habits, OddRtspCamera

KEPT_ALIVE = Habits(session="12345678;timeout=2")
TIMES = 2
"""So often it has to be told that we are still there."""


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
        session=KEPT_ALIVE.session, refuses={"GET_PARAMETER": "501 Not Implemented"}
    ),
    "a nonce is soon too old": Habits(nonces=("first", "second", "third")),
    "it sends us on": Habits(moved="{base}/elsewhere"),
    "MPEG-4 Part 2": Habits(media=((*MPEG4, "a=control:video"),), coder="mpeg4"),
}


def _request(camera: OddRtspCamera, password: Path | None = None) -> StreamRequest:
    login = {"username": USER, "password_file": password} if password else {}
    return rtsp_request(RtspSource(type="rtsp", url=camera.url, timeout_s=15, decode="all", **login))


def _pictures(habits: Habits, password: Path) -> set[tuple[int, int]]:
    """The sizes of some pictures: until it is kept alive, where it has to be."""
    times = TIMES if habits.session == KEPT_ALIVE.session else 0
    with _followed(habits, password if habits.nonces else None) as (camera, live):
        taken = [live.take("moving", 20)]
        while _asked_while_it_played(camera) < times:
            taken.append(live.take("moving", 20))
        taken.append(live.take("moving", 20))
    return {(one.frame.width, one.frame.height) for one in taken if one is not None and not isinstance(one, str)}


def _asked_while_it_played(camera: OddRtspCamera) -> int:
    methods = [line.split()[0] for line in list(camera.heard)]
    return len(methods) - 1 - methods.index("PLAY")


@contextlib.contextmanager
def _followed(habits: Habits, password: Path | None) -> Iterator[tuple[OddRtspCamera, LiveDecoder]]:
    """In this process, to be cheap; nothing is waited for without end, and nothing goes on after it."""
    with OddRtspCamera(habits) as camera:
        live = LiveDecoder(_request(camera, password))
        following = threading.Thread(target=_follow, args=(live,), daemon=True)
        following.start()
        limit = threading.Timer(PATIENCE_S / 4, live.end, ["it took too long"])
        limit.start()
        try:
            yield camera, live
        finally:
            limit.cancel()
    following.join(PATIENCE_S)


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


@pytest.fixture
def is_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera on a busy machine answers late."""
    monkeypatch.setattr(refusals, "ASK_S", PATIENCE_S / 4)


@pytest.mark.usefixtures("is_patient")
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


@pytest.mark.usefixtures("is_patient")
@pytest.mark.parametrize("trust", ["ca_file", "fingerprint", "insecure"])
def test_from_a_camera_with_a_certificate_nobody_is_followed_to_one_without(tmp_path: Path, trust: str) -> None:
    """Neither would anything be encrypted there, nor anybody checked."""
    ca_file, chain = make_certificates(tmp_path, "127.0.0.1")
    trusted = {"ca_file": ca_file, "fingerprint": fingerprint(tmp_path), "insecure": True}[trust]
    followed = Habits(hangs_up_after=1)
    with OddRtspCamera(followed) as plain, OddRtspCamera(Habits(chain=chain, moved=plain.url)) as camera:
        stream = rtsp_request(RtspSource(type="rtsp", url=camera.url, timeout_s=15, **{trust: trusted}))
        with pytest.raises(NoAnswerError, match=f"sends us on to {plain.url}, where nobody can be verified"):
            LiveDecoder(stream).follow()
    assert plain.heard == []


def test_a_camera_that_drips_does_not_hold_up_the_question_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would send for half an hour, each byte in time."""
    monkeypatch.setattr(refusals, "ASK_S", 0.3)
    answers = Queue[object]()

    def drip(connection: socket.socket, stopping: threading.Event) -> None:
        while not stopping.wait(DRIP_S):
            connection.sendall(b"R")

    with DrippingServer(drip) as camera:
        stream = StreamRequest(camera.url("rtsp"), "rtsp")
        error = FFmpegError(errno.EINVAL, "invalid")
        threading.Thread(target=lambda: answers.put(refusals.explained(error, stream)), daemon=True).start()
        assert refusals.MAY_SEND_ON in str(answers.get(timeout=PATIENCE_S / 4))


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


MARK = "S3CRET"
LOGINS = {
    "before the host": "rtsp://{user}:{password}@10.0.0.9/live",
    "and an address behind it": "rtsp://{user}:{password}@10.0.0.9/live?back=rtsp://x/",
    "and another @": "rtsp://{user}:{password}@10.0.0.9/live?mail=a@b#c@d",
    "without a host": "rtsp:///{user}:{password}@",
    "without a scheme": "{user}:{password}@10.0.0.9/live",
    "in the scheme": "{user}:{password}://x@10.0.0.9/live",
    "another scheme": "x:rtsp://{user}:{password}@[::1]:554/live",
    "the @ coded": "rtsp://{user}:{password}%4010.0.0.9/live",
    "asked for": "rtsp://10.0.0.9/live?user={user}&password={password}",
    "in the path": "rtsp://10.0.0.9/user={user}&password={password}&channel=1.sdp",
}
ODD = st.text(st.characters(exclude_characters="\r\n"), max_size=20)


@settings(max_examples=40)
@given(ODD, ODD, ODD, st.booleans())
@pytest.mark.parametrize("case", LOGINS)
def test_no_login_in_an_address_that_a_camera_sends_us_on_to_is_shown(
    case: str,
    user: str,
    before: str,
    after: str,
    is_secure: bool,  # noqa: FBT001 - pytest's
) -> None:
    place = LOGINS[case].format(user=user, password=f"{before}{MARK}{after}")
    for answer in (f"RTSP/1.0 302 Moved\r\nLocation: {place}\r\n\r\n", f"RTSP/1.0 302 {place}\r\n\r\n"):
        assert MARK not in refused("DESCRIBE", answer, is_secure=is_secure)
    assert MARK not in without_login(place)


PLAIN = {
    "rtsp://admin:s3cret@10.0.0.9/live": "rtsp://10.0.0.9/live",
    "rtsp://admin:s3@cret@10.0.0.9:8554/live": "rtsp://10.0.0.9:8554/live",
    "rtsps://[fe80::1]:322/Streaming/Channels/101": "rtsps://[fe80::1]:322/Streaming/Channels/101",
    "rtsp://shelf.example": "rtsp://shelf.example",
    "rtsp://10.0.0.9/cam/realmonitor?channel=1&subtype=0": "rtsp://10.0.0.9/cam/realmonitor?...",
    "rtsp://admin:s3/cret@10.0.0.9/live": HIDDEN_ADDRESS,
}


def test_what_is_no_login_is_shown() -> None:
    assert {address: without_login(address) for address in PLAIN} == PLAIN
    said = refused("DESCRIBE", "RTSP/1.0 302 Moved\r\nLocation: rtsp://admin:s3cret@10.0.0.9/live\r\n\r\n")
    assert said.endswith("302 Moved and sends us on to rtsp://10.0.0.9/live: if that is the camera, put it into url")
