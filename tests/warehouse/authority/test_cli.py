"""`kardus-wms authority` as an administrator uses it."""

import json
from pathlib import Path

import pytest

from tests.in_process import assert_one_line, call
from warehouse.__main__ import main


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert call(capsys, main, "authority", "init", tmp_path / "a", "--site", "jakarta-1").returncode == 0
    return tmp_path / "a"


def test_from_issue_to_revocation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    issue = ("authority", "issue", folder)
    assert call(capsys, main, *issue, "server", "broker", "--host", "b.example", "--host", "10.0.0.1").returncode == 0
    assert "aisle-a.crt" in call(capsys, main, *issue, "device", "aisle-a", "--days", 30).stdout
    entries = json.loads(call(capsys, main, "authority", "list", folder, "--json").stdout)
    assert [(entry["role"], entry["name"], entry["revoked"]) for entry in entries] == [
        ("server", "broker", None),
        ("device", "aisle-a", None),
    ]
    assert "serial" not in entries[0]
    before = (folder / "device" / "aisle-a.crt").read_bytes()
    assert "aisle-a.crt: renewed" in call(capsys, main, "authority", "renew", folder).stdout
    assert (folder / "device" / "aisle-a.crt").read_bytes() != before
    assert "nothing ends" in call(capsys, main, "authority", "renew", folder).stdout
    assert "2 revoked" in call(capsys, main, "authority", "revoke", folder, "aisle-a").stdout
    assert "aisle-a" in call(capsys, main, "authority", "list", folder).stdout


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("init", "{}", "--site", "s"), ("can't be made",)),
        (("init", "{}/new", "--site", "a/b"), ("--site 'a/b'", "hyphens")),
        (("issue", "{}", "device", "box 1"), ("NAME 'box 1'", "hyphens")),
        (("issue", "{}/none", "device", "box-1"), ("no authority there", "authority init")),
        (("renew", "{}", "box-1"), ("box-1: has no certificate",)),
        (("revoke", "{}", "box-1"), ("box-1: has no certificate",)),
    ],
)
def test_wrong_use_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    result = call(capsys, main, "authority", *(word.format(folder) for word in words))
    assert_one_line(result, 2, *parts)


def test_who_asks_for_more_than_the_authority_has_left_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "authority"
    assert call(capsys, main, "authority", "init", folder, "--site", "s", "--days", 30).returncode == 0
    told = call(capsys, main, "authority", "issue", folder, "device", "box-1")
    assert told.returncode == 0
    assert "note: the authority ends on " in told.stderr
    assert "note" not in call(capsys, main, "authority", "issue", folder, "device", "box-2", "--days", 5).stderr
    assert "The authority itself ends on " in call(capsys, main, "authority", "list", folder).stdout
