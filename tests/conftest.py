"""Fixtures that every room's tests share: a drawn data set, a trained run, a bundle, a real broker."""

import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from kardus.support.chores import Chores
from tests.agents import STARTED
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.clusters import Cluster

# torch's threads would spin at every barrier while the tests' other processes need the processor
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# looking for the system's fonts takes seconds: once, and not in every process that draws
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the internet for weights, nor waits until it hasn't answered
BIN = Path(sys.executable).parent
Once = Callable[[str, Callable[[Path], object]], Path]
"""Gives the folder of that name, which the function has filled."""
# how long an example takes says more of the machine's other work than of the code
settings.register_profile("kardus", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.register_profile("thorough", settings.get_profile("kardus"), max_examples=500)  # of `make test-slow`
settings.load_profile("kardus")
ROOMS_OF_PROCESSES = ("demo", "deploy", "end_to_end", "export", "faults", "models", "train")
"""Their tests run whole agents, installations or trainings: pyproject's time-out is too short on a busy machine."""
LONG_S = 1800
BUILT = "1700000000"
"""When `bundle_file` is said to have been built, in seconds since 1970."""
T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests in another order; and what they share, kept."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="files in another order, and the tests in each")
    parser.addoption("--shared", type=Path, metavar="FOLDER", help="keep a trained run, a bundle and the like there")


def pytest_configure() -> None:
    """Until all tests are collected nothing is searched for garbage: what is imported is never let go."""
    gc.disable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Another order where it is asked for, the same in every worker; and more time for what may take long."""
    if config.option.shuffle is not None:
        items[:] = shuffled(items, lambda item: str(item.path), random.Random(config.option.shuffle))
    else:  # what takes long comes first, so that no process is left alone with it at the end (sorting is stable)
        items.sort(key=lambda item: not _runs_processes(item))
    for item in items:
        is_long = "run_folder" in getattr(item, "fixturenames", ()) or _runs_processes(item)
        if is_long and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONG_S))


def pytest_collection_finish() -> None:
    """What is imported and collected stays: it is not gone through again and again while the tests run."""
    gc.freeze()
    gc.enable()


def _runs_processes(item: pytest.Item) -> bool:
    return bool(set(item.path.parts) & set(ROOMS_OF_PROCESSES))


def shuffled(items: Sequence[T], file_of: Callable[[T], str], rng: random.Random) -> list[T]:
    """In another order, file by file."""
    files: dict[str, list[T]] = {}
    for item in items:
        files.setdefault(file_of(item), []).append(item)
    groups = list(files.values())
    rng.shuffle(groups)
    for group in groups:
        rng.shuffle(group)
    return [item for group in groups for item in group]


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """An agent whose test has failed would go on for ever, and be in the way of the next."""
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def chores() -> Iterator[Chores]:
    """A thread for what takes its time, ended after the test."""
    own = Chores()
    yield own
    own.stop()


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Once:
    """Makes a folder's content once, for all processes that share the tests: what is costly isn't made by each."""
    base = tmp_path_factory.getbasetemp()
    root = pytestconfig.option.shared or ((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                make(folder)
                done.touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def photos(once: Once) -> Path:
    """A small drawn data set in the folder form: 14 classes and `empty`, 6 + 2 photos each, marked train and val."""
    from simulator.dataset import write_dataset

    return once("data", lambda to: write_dataset(to / "photos", seed=11, train=6, val=2, side_px=96)) / "photos"


@pytest.fixture(scope="session")
def run_folder(photos: Path, once: Once) -> Path:
    """A short run on the small data set: real, though not good."""
    from train.config import make_config
    from train.fitting.fit import fit

    config = make_config(arch="timm:test_resnet", size=48, epochs=12, lr=4e-3, batch=16, seed=1, refit=0)
    return once("runs", lambda folder: fit(photos, folder / "run", config)) / "run"


@pytest.fixture(scope="session")
def signing_key(once: Once) -> tuple[Path, str]:
    """A private key's file, and its public key as text."""
    from export.keys import make_key

    folder = once("keys", lambda folder: make_key(folder, "tests"))
    return folder / "tests.key", (folder / "tests.pub").read_text().strip()


@pytest.fixture(scope="session")
def bundle_file(run_folder: Path, signing_key: tuple[Path, str], once: Once) -> Path:
    """The small run, exported and signed with `signing_key`, as of BUILT."""
    from export.build import build
    from export.keys import read_key

    def export(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SOURCE_DATE_EPOCH", BUILT)
            build(run_folder, folder / "small.bundle", keys=[read_key(signing_key[0])])

    return once("bundles", export) / "small.bundle"


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra `heic` isn't installed."""
    from kardus.inference import photo_files, picture_formats

    read = tuple(suffix for suffix in photo_files.PHOTO_SUFFIXES if suffix not in photo_files.HEIC_SUFFIXES)
    monkeypatch.setattr(photo_files, "PHOTO_SUFFIXES", read)
    monkeypatch.setattr(photo_files, "UNREAD_SUFFIXES", (*photo_files.UNREAD_SUFFIXES, *photo_files.HEIC_SUFFIXES))
    monkeypatch.setattr(picture_formats, "_can_read_heic", lambda: False)


@pytest.fixture(scope="session")
def cluster() -> Iterator["Cluster"]:
    """A real PostgreSQL, which every process of the tests starts once, when its first test asks for it."""
    from tests.clusters import running_cluster

    with running_cluster() as found:
        yield found


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real Mosquitto on a port of its own, that can be killed and started again."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.kill()


def run_command(
    *words: object, check: int | None = 0, timeout_s: float = 5 * PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands as a user would, and check its exit code."""
    command = [str(BIN / str(words[0])), *map(str, words[1:])]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)
    if check is not None:
        assert result.returncode == check, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result
