"""A provider that the page trusts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse.oidc.open_id_provider import CLIENT, SECRET, OpenIdProvider
from warehouse.oidc.provider import IdentityProvider
from warehouse.oidc.settings import OidcSettings, read_settings

PAGE = "http://127.0.0.1:8088"
FILE = """
name = "Company"
issuer = "{issuer}"
client_id = "{client}"
client_secret_file = "secret"
address = "{page}"
[roles]
viewer = ["rack-viewers"]
operator = ["rack-operators"]
administrator = ["rack-admins"]
"""


@pytest.fixture
def company() -> Iterator[OpenIdProvider]:
    """The provider."""
    with OpenIdProvider() as found:
        yield found


@pytest.fixture
def oidc(company: OpenIdProvider, tmp_path: Path) -> OidcSettings:
    """The page's file, read."""
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "oidc.toml").write_text(FILE.format(issuer=company.issuer, client=CLIENT, page=PAGE), encoding="utf-8")
    return read_settings(tmp_path / "oidc.toml")


@pytest.fixture
def provider(oidc: OidcSettings) -> IdentityProvider:
    """What the page asks it by."""
    return IdentityProvider(oidc)
