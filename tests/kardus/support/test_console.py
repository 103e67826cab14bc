"""Every command fails the same way: one line, an exit code, no traceback."""

import json
from pathlib import Path

import pytest
import typer

from kardus.support.console import missing_extra, new_app, print_json, run_app, run_with_extra
from kardus.support.errors import BundleError, ConfigError, DataError, KardusError, UsageError


def _app(error: BaseException | None) -> typer.Typer:
    app = new_app("A test.")

    @app.command()
    def work() -> None:
        if error:
            raise error
        print_json({"done": "ä"})

    return app


def _run(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["test"])
    with pytest.raises(SystemExit) as stop:
        run_app(_app(error))
    return stop.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [(KardusError, 1), (DataError, 1), (BundleError, 1), (UsageError, 2), (ConfigError, 2)],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: type[KardusError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "/a/very/long/path/" + "x" * 150 + ": [red] is wrong: mend it"
    assert _run(error(text), monkeypatch) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {text}\n")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(KeyboardInterrupt(), monkeypatch) == 130


def test_success_is_code_0_and_json_goes_to_the_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(None, monkeypatch) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {"done": "ä"}


def test_a_programming_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["test"])
    with pytest.raises(ZeroDivisionError):
        run_app(_app(ZeroDivisionError()))


def test_a_missing_extra_is_named_with_the_way_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        missing_extra("kardus-train", "train", "torch")
    assert stop.value.code == 2
    expected = "error: kardus-train needs torch, which is not installed: pip install 'kardus[train]'\n"
    assert capsys.readouterr().err == expected


def test_only_a_module_of_the_extra_is_said_to_be_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_an_extra.py").write_text("import not_there.nn\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run_with_extra("needs_an_extra", "kardus-train", "train", ("not_there",))
    assert stop.value.code == 2
    assert "needs not_there, which is not installed: pip install 'kardus[train]'" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        run_with_extra("needs_an_extra", "kardus-train", "train", ("torch",))
