"""The file of `serve --oidc`: which provider is asked who somebody is, and what he may do then."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kardus.support.settings_files import read_settings_file
from warehouse.connectors.secret import SecretPath
from warehouse.connectors.web_address import WebAddress

Role = Literal["viewer", "operator", "supervisor", "administrator"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "supervisor", "administrator")
"""The lowest first."""
SettingText = Annotated[str, Field(min_length=1, max_length=200)]


def _safe(text: str) -> str:
    """Secrets travel there: by TLS, or not over a network at all."""
    if text.startswith("http://") and not _is_loopback(text.removeprefix("http://")):
        raise ValueError("write https://: codes and names would travel openly")
    return text


def _is_loopback(rest: str) -> bool:
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


SafeAddress = Annotated[WebAddress, AfterValidator(_safe)]


class OidcSettings(BaseModel):
    """What stands in the file of `serve --oidc`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    issuer: SafeAddress
    """The provider, as it names itself; `/.well-known/openid-configuration` below it says the rest."""
    client_id: SettingText
    """As the provider knows the page."""
    client_secret_file: SecretPath | None = None
    """A private file with the secret that the provider has given; none: PKCE alone (a public client)."""
    address: SafeAddress
    """Where the page is, such as https://kardus.example.com; `/signin/callback` there is what the provider knows."""
    name: SettingText = "OpenID Connect"
    """What stands on the button."""
    scope: SettingText = "openid profile"
    """What is asked for; `openid` is part of it."""
    name_claim: SettingText = "preferred_username"
    """Which claim of the ID token names the person here."""
    role_claim: SettingText = "groups"
    """Which claim says what he may do: a text or a list of them; `a.b` is `b` in `a`."""
    roles: dict[Role, tuple[SettingText, ...]]
    """By role, which of the claim's values give it; the highest that fits counts, and without any nobody comes in."""
    ca_file: Path | None = None
    """Authorities for the provider's certificate (PEM); by default the system's."""
    clock_skew_s: Annotated[float, Field(ge=0, le=300)] = 60.0
    """So many seconds the provider's clock may be ahead of this one's or behind it."""

    @model_validator(mode="after")
    def _fits(self) -> "OidcSettings":
        if "openid" not in self.scope.split():
            raise ValueError("scope: has to contain openid")
        if not any(self.roles.values()):
            raise ValueError("roles: nobody could come in: give a role its values")
        return self

    @property
    def callback(self) -> str:
        """Where the provider sends people back to."""
        return f"{self.address.rstrip('/')}/signin/callback"


def read_settings(path: Path) -> OidcSettings:
    """Read a file; paths in it begin at its folder.

    Raises:
        UsageError: it isn't there, isn't TOML, or a key of it is wrong.
    """
    found = read_settings_file(path, OidcSettings, "docs/page.md", option="--oidc")
    placed = {
        key: path.parent / getattr(found, key) for key in ("client_secret_file", "ca_file") if getattr(found, key)
    }
    return found.model_copy(update=placed)
