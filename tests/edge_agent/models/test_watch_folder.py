"""A bundle that appears in the watched folder is noticed once, when it has come to rest."""

import queue
from pathlib import Path

import pytest

from edge_agent.models.updates import UpdateRequest
from edge_agent.models.watch_folder import WatchFolder
from tests.patience import PATIENCE_S

POLL_S = 0.02


@pytest.fixture
def told() -> queue.SimpleQueue[UpdateRequest]:
    return queue.SimpleQueue()


def _nothing(told: queue.SimpleQueue[UpdateRequest]) -> bool:
    try:
        told.get(timeout=10 * POLL_S)
    except queue.Empty:
        return True
    return False


def _put(path: Path, content: bytes) -> None:
    """At once: between its making and its writing an empty file could come to rest."""
    path.with_suffix(".part").write_bytes(content)
    path.with_suffix(".part").replace(path)


def test_a_new_bundle_is_told_of_once_and_again_when_it_is_replaced(
    tmp_path: Path, told: queue.SimpleQueue[UpdateRequest]
) -> None:
    (tmp_path / "old.bundle").write_bytes(b"was there before")
    folder = WatchFolder(tmp_path, told.put, POLL_S)
    folder.start()
    try:
        (tmp_path / "notes.txt").write_bytes(b"no bundle")
        _put(tmp_path / "new.bundle", b"one")
        assert told.get(timeout=PATIENCE_S) == UpdateRequest(file=tmp_path / "new.bundle")
        assert _nothing(told)
        _put(tmp_path / "new.bundle", b"another")
        assert told.get(timeout=PATIENCE_S) == UpdateRequest(file=tmp_path / "new.bundle")
    finally:
        folder.stop()


def test_a_file_that_still_grows_is_waited_for(tmp_path: Path, told: queue.SimpleQueue[UpdateRequest]) -> None:
    folder = WatchFolder(tmp_path, told.put, poll_s=3600)
    path = tmp_path / "new.bundle"
    for length in range(1, 6):  # one look at a time, by hand
        path.write_bytes(b"x" * length)
        folder.poll()
        assert told.empty()
    folder.poll()
    assert told.get_nowait() == UpdateRequest(file=path)


def test_a_folder_that_comes_later_or_goes_is_no_harm(tmp_path: Path, told: queue.SimpleQueue[UpdateRequest]) -> None:
    inbox = tmp_path / "inbox"
    folder = WatchFolder(inbox, told.put, poll_s=3600)
    folder.poll()
    inbox.mkdir()
    (inbox / "a.bundle").write_bytes(b"one")
    (inbox / "b.bundle").symlink_to("nowhere")
    folder.poll()
    folder.poll()
    assert told.get_nowait() == UpdateRequest(file=inbox / "a.bundle")
