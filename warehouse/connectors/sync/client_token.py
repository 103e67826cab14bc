"""A token of the client-credentials grant (RFC 6749, section 4.4): fetched, kept until it ends, fetched anew."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from pydantic import BaseModel, ConfigDict, StringConstraints

from warehouse.connectors.http_client import HttpClient, header_secret, plain_client
from warehouse.connectors.secret import SecretPath
from warehouse.connectors.sync.source import SourceError
from warehouse.connectors.web_address import WebAddress

EARLY_S = 60.0
"""A token is fetched anew so long before it ends, or in the last tenth of its time."""
_SAID = 200


class OAuthSettings(BaseModel):
    """`[source.oauth]`: the client-credentials grant (RFC 6749, section 4.4)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    token_url: WebAddress
    """Where a token is given."""
    client_id: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]+$")]
    """Who we are there."""
    client_secret_file: SecretPath
    """File that holds the secret, for you alone."""
    scope: str = ""
    """What the token is for."""


class ClientToken:
    """Used by one thread, but for `stop`."""

    def __init__(self, settings: OAuthSettings, ca_file: Path | None) -> None:
        """Prepare.

        Raises:
            ConfigError: the secret can't be read, or others can read it too.
        """
        self._settings = settings
        held = header_secret("source.oauth.client_secret_file", settings.client_secret_file)
        self._authentication = ClientAuth(settings.client_id, held)
        self._client = HttpClient(plain_client(ca_file), SourceError)
        self._token = ""
        self._until_s = 0.0

    @property
    def is_held(self) -> bool:
        """Whether there is one that hasn't ended by what was said of it, whatever the calendar says meanwhile."""
        return bool(self._token) and time.monotonic() < self._until_s

    def header(self) -> dict[str, str]:
        """What a request needs.

        Raises:
            SourceError: no token is given.
        """
        if not self.is_held:
            told = self._fetched()
            self._token, self._until_s = told["access_token"], time.monotonic() + _lifetime_s(told)
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """Fetch another one next time."""
        self._token = ""

    def stop(self) -> None:
        """Let a request under way end; from any thread."""
        self._client.stop()

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _fetched(self) -> dict[str, Any]:
        url, scope = self._settings.token_url, {"scope": self._settings.scope} if self._settings.scope else {}
        body = prepare_token_request("client_credentials", **scope)
        asked = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = self._authentication.prepare("POST", url, asked, body)
        try:
            told = self._client.json(self._client.request("POST", url, headers=headers, content=body))
        except SourceError as error:
            raise SourceError(f"{error}{_reason(error.answer)}: gives no token") from error
        if not isinstance(told, dict) or not isinstance(told.get("access_token"), str) or not told["access_token"]:
            raise SourceError(f"{url}: gives no token, but something else: correct source.oauth.token_url")
        return told


def _lifetime_s(told: dict[str, Any]) -> float:
    """For how long a token is taken for good; some servers write the seconds as a text, some say nothing."""
    try:
        seconds = float(told.get("expires_in") or "inf")
    except (TypeError, ValueError, OverflowError):  # of a whole number with hundreds of digits
        return float("inf")
    return max(0.9 * seconds, seconds - EARLY_S)


def _reason(answer: bytes) -> str:
    """What a refusal says (RFC 6749, section 5.2)."""
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    words = [str(told[name]) for name in ("error", "error_description") if told.get(name)] if type(told) is dict else []
    return " ".join(["", *" ".join(words).split()])[:_SAID]
