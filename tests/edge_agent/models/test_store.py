"""Which bundle is in use survives everything: another configured one, failures, and a kill at any moment."""

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_agent.models.store import MAX_REFUSED, MAX_STARTS, ModelStore, sha256_of
from kardus.support.errors import DataError
from tests.patience import stretched

CONFIGURED = "c" * 64


def _staged(store: ModelStore, content: bytes) -> tuple[Path, str]:
    path = store.staging / "new.bundle"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def _with(folder: Path, *contents: bytes) -> ModelStore:
    """A store in which bundles of these contents took over one after another, and settled."""
    store = ModelStore(folder)
    for content in contents:
        store.take_over(*_staged(store, content), CONFIGURED)
        store.settle()
    return store


def _content(store: ModelStore) -> bytes | None:
    return store.path(store.current).read_bytes() if store.current else None


def test_an_empty_store_leaves_the_choice_to_the_configuration(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    assert store.begin(CONFIGURED) is None
    assert not (tmp_path / "models").exists()


def test_the_one_that_took_over_is_used_after_a_restart(tmp_path: Path) -> None:
    _with(tmp_path, b"one", b"two")
    again = ModelStore(tmp_path)
    assert again.begin(CONFIGURED) == again.current
    assert _content(again) == b"two"
    assert {path.name for path in tmp_path.glob("*.bundle")} == {
        f"{hashlib.sha256(content).hexdigest()}.bundle" for content in (b"one", b"two")
    }


def test_another_configured_bundle_is_used_instead_and_one_that_cannot_be_read_is_not_missed(tmp_path: Path) -> None:
    _with(tmp_path, b"one")
    assert ModelStore(tmp_path).begin("") is not None
    assert ModelStore(tmp_path).begin("d" * 64) is None
    assert ModelStore(tmp_path).begin(CONFIGURED) is None, "the choice by hand stands"


def test_going_back_is_to_the_former_one_and_the_failed_one_is_refused(tmp_path: Path) -> None:
    store = _with(tmp_path, b"one")
    failed = _staged(store, b"two")
    store.take_over(*failed, CONFIGURED)
    store.roll_back("it sees nothing")
    assert _content(store) == b"one"
    assert store.refused == {failed[1]: "it sees nothing"}
    assert _content(ModelStore(tmp_path)) == b"one"
    store.roll_back("this one neither")
    assert store.begin(CONFIGURED) is None


def test_a_model_with_which_the_agent_dies_at_every_start_is_given_up(tmp_path: Path) -> None:
    store = _with(tmp_path, b"one")
    store.take_over(*_staged(store, b"two"), CONFIGURED)
    for _ in range(MAX_STARTS):
        started = ModelStore(tmp_path)
        started.begin(CONFIGURED)
        assert _content(started) == b"two"
    started = ModelStore(tmp_path)
    started.begin(CONFIGURED)
    assert _content(started) == b"one"
    assert "never got through its probation" in next(iter(started.refused.values()))


def test_a_settled_model_may_be_started_any_number_of_times(tmp_path: Path) -> None:
    _with(tmp_path, b"one")
    for _ in range(2 * MAX_STARTS):
        assert ModelStore(tmp_path).begin(CONFIGURED)


def test_a_forced_bundle_is_no_longer_refused_and_old_refusals_are_forgotten(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    staged, sha256 = _staged(store, b"one")
    store.refuse(sha256, "why not")
    store.take_over(staged, sha256, CONFIGURED)
    assert store.refused == {}
    for number in range(MAX_REFUSED + 5):
        store.refuse(f"{number:064x}", "")
    assert len(store.refused) == MAX_REFUSED
    assert f"{4:064x}" not in store.refused


def test_what_an_interrupted_change_left_is_removed(tmp_path: Path) -> None:
    store = _with(tmp_path, b"one")
    _staged(store, b"half")
    (tmp_path / f"{'e' * 64}.bundle").write_bytes(b"moved, but never chosen")
    again = ModelStore(tmp_path)
    assert not again.staging.exists()
    assert [path.read_bytes() for path in tmp_path.glob("*.bundle")] == [b"one"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"current": 3}', b"\xff"])
def test_a_damaged_choice_is_the_configured_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "current.json").write_bytes(content)
    assert ModelStore(tmp_path).begin(CONFIGURED) is None


def test_a_disk_that_takes_nothing_leaves_the_choice(tmp_path: Path) -> None:
    store = _with(tmp_path, b"one")
    with pytest.raises(DataError, match="cannot be written"):
        store.take_over(tmp_path / "gone", "f" * 64, CONFIGURED)
    assert _content(store) == b"one"


def test_a_file_that_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    assert sha256_of(tmp_path / "nothere") == ""
    (tmp_path / "there").write_bytes(b"one")
    assert sha256_of(tmp_path / "there") == hashlib.sha256(b"one").hexdigest()


CHANGES_FOREVER = """
import hashlib, os, sys
from pathlib import Path
from edge_agent.models.store import ModelStore
store, number = ModelStore(Path(sys.argv[1])), 0
store.begin("c" * 64)
print("ready", flush=True)
while True:
    number += 1
    content = b"%d %d" % (os.getpid(), number)
    staged = store.staging / "new.bundle"
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_bytes(content)
    store.take_over(staged, hashlib.sha256(content).hexdigest(), "c" * 64)
    store.roll_back("in turn") if number % 3 == 0 else store.settle()
"""


def test_killed_at_any_moment_of_a_change_there_is_a_whole_bundle_to_use(tmp_path: Path) -> None:
    rng = random.Random(26)
    chosen = set()
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", CHANGES_FOREVER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        process.stdout.readline()
        time.sleep(rng.uniform(0, stretched(0.1)))  # the moment of the kill is what varies
        process.kill()
        process.wait()
        process.stdout.close()
        choice = ModelStore(tmp_path).begin(CONFIGURED)
        if choice:
            content = ModelStore(tmp_path).path(choice).read_bytes()
            assert hashlib.sha256(content).hexdigest() == choice.sha256
            chosen.add(content)
    assert len(chosen) > 2, "the kills met different moments"


def test_a_choice_that_the_disk_does_not_take_holds_and_is_written_once_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _with(tmp_path, b"one")
    store.take_over(*_staged(store, b"two"), CONFIGURED)

    def full(*_: object) -> None:
        raise DataError("current.json: cannot be written (No space left on device)")

    with monkeypatch.context() as patch:
        patch.setattr("edge_agent.models.store.write_durably", full)
        assert ModelStore(tmp_path).begin(CONFIGURED) == store.current.model_copy(update={"starts": 1})  # type: ignore[union-attr]
        store.roll_back("it is worse")
        store.retry()
        assert _content(store) == b"one"
    assert _content(ModelStore(tmp_path)) == b"two"
    store.retry()
    assert _content(ModelStore(tmp_path)) == b"one"
    assert list(ModelStore(tmp_path).refused.values()) == ["it is worse"]
