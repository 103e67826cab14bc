"""Lists that are dropped into a folder: one that is still being copied, and lines that lose their location."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from tests.faults.load import wait_until
from tests.patience import PATIENCE_S
from tests.warehouse.connectors.sync.test_sources import lines_of, settings_of
from warehouse.connectors.sync.settings import make_source
from warehouse.connectors.sync.source import SourceError, StockSource


def _source(folder: Path, more: str = "settle_s = 0") -> StockSource:
    return make_source(settings_of(folder, f'[source]\nkind = "folder"\nfolder = "{folder / "lists"}"\n{more}\n'))


def _write(folder: Path, text: str) -> Path:
    path = folder / "lists" / "stock.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_that_is_still_being_copied_is_read_when_it_rests(tmp_path: Path) -> None:
    path = _write(tmp_path, "location,sku\nA-1,Tea\nA-2,Tea-Or")
    source = _source(tmp_path, "settle_s = 0.5")
    with _written_on(path), pytest.raises(SourceError, match="is being written: it is read when it rests"):
        source.read()
    path.write_text("location,sku\nA-1,Tea\nA-2,Tea-Original\n", encoding="utf-8")
    assert lines_of(source)["A-2"].sku == "Tea-Original"
    path.write_text("location,sku\nA-1,Tea\n", encoding="utf-8")
    waiting = _source(tmp_path, "settle_s = 600")
    threading.Timer(0.1, waiting.stop).start()
    with contextlib.suppress(SourceError):  # it may have come to its end before it is known that nobody wants it
        assert waiting.read().managed == ("A-1",)


@contextlib.contextmanager
def _written_on(path: Path) -> Iterator[None]:
    """Somebody writes to it all the time."""
    over = threading.Event()

    def write_on() -> None:
        while not over.wait(0.02):
            with path.open("a", encoding="utf-8") as file:
                file.write("x")

    writing = threading.Thread(target=write_on)
    writing.start()
    try:
        yield
    finally:
        over.set()
        writing.join()


def test_a_folder_whose_server_is_away_is_a_problem_in_time_and_holds_up_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, where every look hangs until the server is back."""
    _write(tmp_path, "location,sku\nA-1,Tea\n")
    back, stopping = threading.Event(), threading.Event()
    source = _source(tmp_path)
    monkeypatch.setattr(source._question, "_limit_s", 0.2)  # type: ignore[attr-defined]
    glob = Path.glob
    with monkeypatch.context() as away:
        away.setattr(Path, "glob", lambda *words: (back.wait(PATIENCE_S), glob(*words))[1])
        with pytest.raises(SourceError, match=r"lists/\*: no answer within 0.2 s: look whether the folder's"):
            source.read()
        with pytest.raises(SourceError, match="the former question still isn't answered"):
            source.read()
        source.wait(stopping, 0.1)
        monkeypatch.setattr(source._question, "_limit_s", PATIENCE_S)  # type: ignore[attr-defined]
        back.set()
    wait_until(lambda: source.read().managed == ("A-1",))
    source.stop()
    source.wait(stopping, 0.0)


def test_whoever_waits_for_a_list_hears_all_else_while_the_folder_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look may take a minute: so long a stock that was lost on the broker wasn't published anew, nor was it said."""
    path = _write(tmp_path, "location,sku\nA-1,Tea\n")
    monkeypatch.setattr("warehouse.connectors.sync.folder.POLL_S", 0.01)
    source = _source(tmp_path)
    source.read()
    impatient = _source(tmp_path)
    impatient.read()
    monkeypatch.setattr(impatient._stamp_question, "_limit_s", 0.3)  # type: ignore[attr-defined]
    back, woken, glob = threading.Event(), threading.Event(), Path.glob
    with monkeypatch.context() as away:
        away.setattr(Path, "glob", lambda *words: (back.wait(PATIENCE_S), glob(*words))[1])
        for waiting, event, seconds in (
            (source, threading.Event(), 0.3),  # the time is over
            (source, woken, 600),
            (impatient, threading.Event(), 600),  # the look is late
        ):
            began_s = time.monotonic()
            threading.Timer(0.2, woken.set).start()
            waiting.wait(event, seconds)
            assert time.monotonic() - began_s < PATIENCE_S / 2
        back.set()
    path.unlink()
    began_s = time.monotonic()
    impatient.wait(threading.Event(), 0.3)
    assert time.monotonic() - began_s >= 0.3, "there is none for a moment, as while it is replaced"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("A-1,Tea\n,Tea\n", "line 3: no location"),
        ("A-1,Tea\n8.99E+12,Tea\n", r"line 3: location '8\.99E\+12'"),
        ("A-1,Tea\n#N/A,Tea\n", "line 3: location '#N/A'"),
        ("A-1,Tea\nA-2\n", "line 3: ends before column 'sku'"),
        ("17.0,Tea\n18.0,Tea\n", "every location ends in .0"),
        ("\n".join(f"#N/A,{n}" for n in range(7)), "; and 2 more"),
    ],
)
def test_a_line_that_does_not_say_which_location_it_means_is_the_whole_lists_fault(
    tmp_path: Path, lines: str, said: str
) -> None:
    _write(tmp_path, f"location,sku\n{lines}")
    with pytest.raises(SourceError, match=said):
        _source(tmp_path).read()


def test_a_preset_finds_the_sku_as_expect_does(tmp_path: Path) -> None:
    _write(tmp_path, "Location,Product,Quantity\nWH/Stock/A-1,[TEA-500] Jasmine Tea,2.00\n")
    assert lines_of(_source(tmp_path, 'settle_s = 0\npreset = "odoo"'))["WH/Stock/A-1"].sku == "TEA-500"


@pytest.mark.parametrize("pattern", ["", "/srv/*.csv", "../*"])
def test_a_pattern_that_leads_out_of_the_folder_is_no_pattern(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"source\.pattern = .*: no pattern of a file's name"):
        _source(tmp_path, f'pattern = "{pattern}"')


def test_a_list_that_a_wrong_clock_has_dated_ahead_is_named_and_not_taken_for_the_newest(tmp_path: Path) -> None:
    path = _write(tmp_path, "location,sku\nA-1,Tea\n")
    os.utime(path, (ahead := time.time() + 365 * 86_400, ahead))
    with pytest.raises(SourceError, match=r"stock\.csv: is dated 20.*: correct the clock that is wrong"):
        _source(tmp_path).read()


def test_a_folder_that_is_not_there_is_named_as_that(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot be read \(No such file or directory\): check the folder"):
        _source(tmp_path).read()
