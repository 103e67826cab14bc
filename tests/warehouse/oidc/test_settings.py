"""The file of `--oidc`: what is wrong in it is said in one line; every key is documented."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.errors import KardusError, UsageError
from tests.in_process import assert_one_line, call
from tests.warehouse.oidc.conftest import FILE
from warehouse.__main__ import main
from warehouse.oidc.identity import claim, role_of
from warehouse.oidc.provider import IdentityProvider
from warehouse.oidc.settings import ROLES, OidcSettings, read_settings

GOOD = FILE.format(issuer="https://login.example.com", client="kardus", page="https://kardus.example.com")
DOCS = (Path(__file__).parents[3] / "docs" / "page.md").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> OidcSettings:
    """Read it from a file."""
    (folder / "oidc.toml").write_text(text, encoding="utf-8")
    return read_settings(folder / "oidc.toml")


def test_a_good_file(tmp_path: Path) -> None:
    found = written(tmp_path, GOOD)
    assert found.callback == "https://kardus.example.com/signin/callback"
    assert found.client_secret_file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "https://login.example.com",
            "http://login.example.com",
            "issuer = 'http://login.example.com': write https://",
        ),
        ("https://kardus.example.com", "ftp://x", "address = 'ftp://x': no address"),
        ('client_id = "kardus"', "", "client_id: missing: add it (see docs/page.md)"),
        ('name = "Company"', 'scope = "profile"', "scope: has to contain openid"),
        ('name = "Company"', "unknown = 1", "unknown: no such key: see docs/page.md"),
        ("viewer =", "boss =", "roles.boss"),
        (GOOD[GOOD.index("[roles]") :], "[roles]\nviewer = []", "nobody could come in"),
        ("issuer =", "issuer", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UsageError) as told:
        written(tmp_path, GOOD.replace(old, new))
    assert words in str(told.value)
    assert str(told.value).startswith(f"--oidc {tmp_path / 'oidc.toml'}: ")


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(KardusError, match="others can read it"):
        IdentityProvider(written(tmp_path, GOOD))


def test_every_key_is_described() -> None:
    for name in OidcSettings.model_fields:
        assert f"`{name}`" in DOCS or f"\n{name} = " in DOCS or f"[{name}]" in DOCS, name


def test_a_claim_is_found_by_its_name_and_in_others() -> None:
    assert claim({"a": {"b": ["x"]}, "https://x.y/z": "q"}, "a.b") == ["x"]
    assert claim({"a": {"b": ["x"]}, "https://x.y/z": "q"}, "https://x.y/z") == "q"
    assert claim({"a": 1}, "a.b.c") is None


VALUES = st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=4))


@given(
    VALUES, st.dictionaries(st.sampled_from(ROLES), st.lists(st.text(min_size=1, max_size=2), min_size=1), min_size=1)
)
def test_whatever_the_claim_holds_gives_the_highest_role_that_names_it_or_none(
    value: object, roles: dict[str, list[str]]
) -> None:
    base = {"issuer": "https://x.example", "client_id": "x", "address": "https://x.example"}
    settings = OidcSettings.model_validate({**base, "roles": roles})
    found = role_of(value, settings)
    held = value if isinstance(value, list) else [value]
    given_ = [role for role in ROLES if any(isinstance(one, str) and one in roles.get(role, []) for one in held)]
    assert found == (given_[-1] if given_ else None)


def test_serve_refuses_a_file_that_is_not_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, main, "serve", "--database", tmp_path / "k.sqlite", "--oidc", tmp_path / "oidc.toml")
    assert_one_line(done, 2, tmp_path / "oidc.toml", "cannot be read")
