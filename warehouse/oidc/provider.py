"""Asks a provider who somebody is: the authorization code flow of OpenID Connect Core 1.0, with PKCE (RFC 7636).

    page ─> begin: where the browser goes ─> the provider lets him in ─> back with a code ─> finish: code ─> ID token
                                                                              (and userinfo, where it says too little)

What only this browser may finish is derived from a secret in its cookie: `state`, `nonce` and PKCE's verifier.
"""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import ValidationError

from kardus.support.exchange import Exchanges, Trace
from kardus.support.secrets import read_secret
from warehouse.oidc.errors import SignInRefusedError, UnreachableError
from warehouse.oidc.identity import Identity, identity_of
from warehouse.oidc.metadata import Metadata
from warehouse.oidc.settings import OidcSettings
from warehouse.oidc.user_info import user_info

KEEP_S = 3600.0
"""So long what the provider says of itself is taken for current."""
LIMIT_S = 15.0
"""For everything that is asked of it at once."""
READ_S = 10.0
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""By a key that only the provider has: neither `none` nor a secret that both have."""
KEY_TYPES = ("RSA", "EC", "OKP")
"""Of keys; others are for other programs."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class _CachedProvider:
    metadata: Metadata
    keys: KeySet
    until_s: float


class IdentityProvider:
    """Signs people in by one provider. For any thread."""

    def __init__(self, settings: OidcSettings, *, now_s: Callable[[], float] = time.time) -> None:
        """Nothing is asked yet.

        Args:
            settings: the file.
            now_s: the clock that tokens are judged by, in seconds since 1970.

        Raises:
            ConfigError: the secret can't be read, or others can read it too.
        """
        self.settings = settings
        file = settings.client_secret_file
        self._secret = read_secret("client_secret_file", file) if file else None
        self._now_s = now_s
        self._known: _CachedProvider | None = None

    def begin(self, secret: str) -> str:
        """Where the browser that holds this secret is to go.

        Raises:
            UnreachableError: the provider doesn't say where.
        """
        with self._client() as client:
            known = self._asked(client, lambda: self._current(client))
            url, _ = client.create_authorization_url(
                known.metadata.authorization_endpoint,
                state=derived(secret, "state"),
                nonce=derived(secret, "nonce"),
                code_verifier=derived(secret, "verifier"),
            )
        return str(url)

    def finish(self, secret: str, *, code: str, state: str, issuer: str = "") -> Identity:
        """Who has come back, by what the address says that the provider sent him to.

        Args:
            secret: of the browser's cookie.
            code: the provider's, good once.
            state: as `begin` gave it along.
            issuer: who says so (RFC 9207); empty: not said.

        Raises:
            SignInRefusedError: somebody else's sign-in, or what the provider says can't be trusted.
            UnreachableError: the provider can't be asked.
        """
        if not secret or not hmac.compare_digest(derived(secret, "state").encode(), state.encode()):
            raise SignInRefusedError("another browser began this sign-in")
        if issuer and issuer != self.settings.issuer:
            raise SignInRefusedError("another provider answers (iss)")
        with self._client() as client:
            return self._asked(client, lambda: self._identity(client, secret, code))

    def farewell(self, back: str) -> str:
        """Where somebody signs out at the provider too; empty: it has no such address, or wasn't asked yet."""
        known = self._known
        if known is None or not known.metadata.end_session_endpoint:
            return ""
        asked = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        end = known.metadata.end_session_endpoint
        return f"{end}{'&' if '?' in end else '?'}{asked}"

    def _identity(self, client: OAuth2Client, secret: str, code: str) -> Identity:
        known = self._current(client)
        client.token_endpoint_auth_method = known.metadata.client_authentication(has_secret=self._secret is not None)
        token = client.fetch_token(
            known.metadata.token_endpoint,
            grant_type="authorization_code",
            code=code,
            redirect_uri=self.settings.callback,
            code_verifier=derived(secret, "verifier"),
        )
        text = token.get("id_token")
        if not isinstance(text, str):
            raise SignInRefusedError("the provider gives no ID token: is `openid` in scope?")
        try:
            found = jwt.decode(text, known.keys, algorithms=ALGORITHMS)
        except (InvalidKeyIdError, BadSignatureError):  # it may have changed its keys since
            found = jwt.decode(text, self._ask_anew(client).keys, algorithms=ALGORITHMS)
        params = {"nonce": derived(secret, "nonce"), "client_id": self.settings.client_id}
        params["access_token"] = token.get("access_token", "")
        options = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }
        claims = CodeIDToken(found.claims, found.header, options, params)
        claims.validate(now=int(self._now_s()), leeway=round(self.settings.clock_skew_s))
        return identity_of(claims, self.settings, lambda subject: self._more(client, known.metadata, subject))

    @staticmethod
    def _more(client: OAuth2Client, metadata: Metadata, subject: str) -> Mapping[str, Any]:
        endpoint = metadata.userinfo_endpoint
        return user_info(client, endpoint, subject) if endpoint and client.token.get("access_token") else {}

    def _current(self, client: OAuth2Client) -> _CachedProvider:
        known = self._known
        if known is None or time.monotonic() > known.until_s:
            return self._ask_anew(client)
        return known

    def _ask_anew(self, client: OAuth2Client) -> _CachedProvider:
        issuer = self.settings.issuer
        metadata = Metadata.model_validate(self._json(client, get_well_known_url(issuer, external=True)))
        if metadata.issuer != issuer:
            raise UnreachableError(f"{issuer}: calls itself {metadata.issuer!r}: write the issuer just so")
        keys = self._json(client, metadata.jwks_uri)
        signing = [
            key for key in keys.get("keys", []) if key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig"
        ]
        self._known = known = _CachedProvider(
            metadata, KeySet.import_key_set({"keys": signing}), time.monotonic() + KEEP_S
        )
        return known

    def _json(self, client: OAuth2Client, url: str) -> Any:
        response = client.request("GET", url, withhold_token=True)
        response.raise_for_status()
        found = response.json()
        if not isinstance(found, dict):
            raise UnreachableError(f"{url}: answers something else than a JSON object")
        return found

    def _asked(self, client: OAuth2Client, work: Callable[[], Result]) -> Result:
        """What `work` returns, over in time; each failure a line."""

        def traced(trace: Trace) -> Result:
            client.event_hooks = {"request": [lambda request: request.extensions.update(trace=trace)]}
            return work()

        issuer = self.settings.issuer
        try:
            return Exchanges(threading.Event()).run(traced, LIMIT_S)
        except JoseError as error:
            raise SignInRefusedError(f"the ID token isn't good: {_line(error)}") from error
        except AuthlibBaseError as error:
            raise SignInRefusedError(f"the provider refuses: {_line(error)}") from error
        except ValidationError as error:
            key = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise UnreachableError(f"{issuer}: {key}: {error.errors()[0]['msg']}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, RecursionError) as error:
            raise UnreachableError(f"{issuer}: {_line(error)}") from error

    def _client(self) -> OAuth2Client:
        verify: Any = str(self.settings.ca_file) if self.settings.ca_file else True
        return OAuth2Client(
            self.settings.client_id,
            self._secret,
            scope=self.settings.scope,
            redirect_uri=self.settings.callback,
            code_challenge_method="S256",
            timeout=READ_S,
            follow_redirects=False,
            verify=verify,
        )


def derived(secret: str, what: str) -> str:
    """A text that nobody can reckon who doesn't have the secret: 43 characters of base64url."""
    made = hmac.new(secret.encode(), f"kardus oidc {what}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
