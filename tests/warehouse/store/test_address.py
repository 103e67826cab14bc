"""What `--database` takes, and how a server far away has to prove who it is."""

from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from warehouse.store.address import address_of


@pytest.mark.parametrize("given", ["a/k.sqlite", "sqlite:///a/k.sqlite"])
def test_a_file(given: str) -> None:
    assert address_of(given).path == Path("a/k.sqlite")
    assert str(address_of(given)) == "a/k.sqlite"


@pytest.mark.parametrize(
    ("given", "mode", "authority"),
    [
        ("postgresql://u@db.example/k", "verify-full", "system"),
        ("postgres://u@db.example/k?sslrootcert=/ca.crt", "verify-full", "/ca.crt"),
        ("postgresql://u@/k?host=db.example", "verify-full", "system"),
        ("postgresql://u@db.example/k?sslmode=require", "require", None),
        ("postgresql://u@/k?host=/var/run/postgresql", None, None),
        ("postgresql://u@127.0.0.1:5433/k", None, None),
    ],
)
def test_a_server_elsewhere_proves_who_it_is(given: str, mode: str | None, authority: str | None) -> None:
    query = address_of(given).url.query
    assert (query.get("sslmode"), query.get("sslrootcert")) == (mode, authority)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("mysql://u@h/k", "begins with 'mysql://'"),
        ("postgresql://u:secret@h/k", "--database-password-file"),
        ("postgresql://u@h/k?password=secret", "--database-password-file"),
        ("postgresql://u@h:port/k", "not an address"),
    ],
)
def test_what_is_no_address_is_refused_and_no_password_is_repeated(given: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        address_of(given)
    assert "secret" not in str(caught.value)
