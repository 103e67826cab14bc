"""`kardus-wms users`, and the address that `serve` prints once."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S
from tests.warehouse.console.test_service import port_of, running
from warehouse.__main__ import main
from warehouse.console.people import with_password
from warehouse.console.service import ServerSettings, _wants_link
from warehouse.store.address import address_of
from warehouse.store.opening import open_database

PASSWORD = "a long one of words"  # noqa: S105 - the tests' own


def test_people_are_added_listed_changed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, secret = tmp_path / "k.sqlite", tmp_path / "password"
    open_database(path, make=True).close()
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    where = ("--database", path)
    for name, role in (("Wati", "administrator"), ("Budi", "viewer")):
        call(capsys, main, "users", "add", name, *where, "--role", role, "--password-file", secret)
    secret.write_text(PASSWORD + "!")
    assert call(capsys, main, "users", "password", "wati", *where, "--password-file", secret).returncode == 0
    assert call(capsys, main, "users", "role", "Budi", "operator", *where).returncode == 0
    listed = json.loads(call(capsys, main, "users", "list", *where, "--json").stdout)
    assert [(one["name"], one["role"]) for one in listed] == [("Budi", "operator"), ("Wati", "administrator")]
    assert PASSWORD not in str(listed)
    with open_database(path, make=False) as database:
        assert with_password(database, "Wati", PASSWORD) is None
        assert with_password(database, "Wati", PASSWORD + "!") is not None
    assert_one_line(call(capsys, main, "users", "remove", "Wati", *where), 2, "Wati", "only administrator")
    assert call(capsys, main, "users", "remove", "Budi", *where).returncode == 0
    assert_one_line(call(capsys, main, "users", "remove", "Budi", *where), 2, "Budi", "users list")
    king = call(capsys, main, "users", "add", "x", *where, "--role", "king", "--password-file", secret)
    assert_one_line(king, 2, "king", "administrator")
    secret.write_text("short")
    assert_one_line(
        call(capsys, main, "users", "add", "x", *where, "--role", "viewer", "--password-file", secret), 2, "password"
    )


def test_a_file_on_the_loopback_is_opened_by_an_address_that_is_printed(tmp_path: Path) -> None:
    open_database(tmp_path / "k.sqlite", make=True).close()
    with running(
        "serve", "--sqlite", tmp_path / "k.sqlite", "--listen", "127.0.0.1:0", "--link", PYTHONUNBUFFERED="1"
    ) as server:
        port = port_of(server)
        assert server.stdout is not None
        address = server.stdout.readline().removeprefix("open, once: ").strip()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        statuses = []
        for _ in range(2):
            client.request("GET", address.removeprefix(f"http://127.0.0.1:{port}"))
            answer = client.getresponse()
            answer.read()
            statuses.append(answer.status)
        assert statuses == [303, 403]
        client.close()


@pytest.mark.parametrize(
    ("listen", "more", "wanted"),
    [
        ("127.0.0.1", {}, True),
        ("127.0.0.1", {"link": False}, False),
        ("10.0.0.1", {}, False),
        ("10.0.0.1", {"link": True}, True),
        ("127.0.0.1", {"forwarded_from": ("10.0.0.1",)}, False),
    ],
)
def test_nobody_else_is_given_the_address_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen: str, more: dict[str, Any], wanted: object
) -> None:
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    settings, address = ServerSettings(**more), address_of(str(tmp_path / "k.sqlite"))
    assert _wants_link(settings, address, listen) is wanted
    monkeypatch.setenv("INVOCATION_ID", "systemd's")
    assert _wants_link(settings, address, listen) is bool(more.get("link")), "the journal would keep it"
