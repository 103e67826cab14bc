"""`kardus-wms users`, and the address that `serve` prints once."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S
from tests.warehouse.console.test_service import port_of, running
from warehouse.__main__ import main
from warehouse.console.identity.people import add_person, with_password
from warehouse.console.service import ServerSettings, _wants_link
from warehouse.store.address import address_of
from warehouse.store.opening import open_database
from warehouse.store.tables import users

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


def test_of_people_with_names_that_differ_in_case_alone_the_one_that_is_named_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, secret = tmp_path / "k.sqlite", tmp_path / "password"
    secret.write_text(PASSWORD + "!")
    secret.chmod(0o600)
    where = ("--database", path)
    with open_database(path, make=True) as database:
        for number in range(3):  # an earlier version let them in
            add_person(database, f"old {number}", "viewer", f"{PASSWORD} {number}")
        with database.writing() as connection:
            for number, name in enumerate(("Weiß", "Weiss", "WEISS")):
                connection.execute(update(users).where(users.c.name == f"old {number}").values(name=name))
        for number, name in enumerate(("Weiß", "Weiss", "WEISS")):
            person = with_password(database, name, f"{PASSWORD} {number}")
            assert person is not None
            assert person.name == name
        assert with_password(database, "weiss", f"{PASSWORD} 0") is None
    for command in (
        ("remove", "weiss"),
        ("role", "weiß", "operator"),
        ("password", "weiss", "--password-file", secret),
    ):
        refused = call(capsys, main, "users", *command, *where)
        assert_one_line(refused, 2, "may be 'WEISS' or 'Weiss' or 'Weiß'")
    assert_one_line(
        call(capsys, main, "users", "add", "weiss", *where, "--role", "viewer", "--password-file", secret), 2, "already"
    )
    call(capsys, main, "users", "role", "Weiss", "operator", *where)
    call(capsys, main, "users", "password", "WEISS", *where, "--password-file", secret)
    call(capsys, main, "users", "remove", "Weiß", *where)
    listed = json.loads(call(capsys, main, "users", "list", *where, "--json").stdout)
    assert [(one["name"], one["role"]) for one in listed] == [("WEISS", "viewer"), ("Weiss", "operator")]
    with open_database(path, make=False) as database:
        assert with_password(database, "WEISS", PASSWORD + "!") is not None
        assert with_password(database, "Weiss", f"{PASSWORD} 1") is not None
    call(capsys, main, "users", "remove", "WEISS", *where)
    assert call(capsys, main, "users", "remove", "weiss", *where).returncode == 0, "there is one alone now"


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
