"""A small OpenID provider over real HTTP, written from OpenID Connect Core 1.0 and RFC 7636, with real RSA keys.

Nothing of Authlib or joserfc is in it, so that their mistakes aren't mirrored.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT, SECRET = "kardus", "a secret of both"
Part = dict[str, Any]


class Key:
    """One signing key."""

    def __init__(self, id_: str) -> None:
        """Make it."""
        self.id = id_
        self._private = rsa.generate_private_key(65537, 2048)

    def public(self) -> Part:
        """As a JWK."""
        numbers = self._private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "kid": self.id,
            "use": "sig",
            "alg": "RS256",
            "n": _whole(numbers.n),
            "e": _whole(numbers.e),
        }

    def private(self) -> Part:
        """As a JWK that others can sign with."""
        all_ = self._private.private_numbers()
        names = {"d": all_.d, "p": all_.p, "q": all_.q, "dp": all_.dmp1, "dq": all_.dmq1, "qi": all_.iqmp}
        return self.public() | {name: _whole(number) for name, number in names.items()}

    def sign(self, header: Part, claims: Part) -> str:
        """A JWT; where its header says `none`, without a signature."""
        text = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
        if header["alg"] == "none":
            return f"{text}."
        return f"{text}.{_text(self._private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class OpenIdProvider:
    """Lets `claims` in, whoever asks; use it in a `with` statement."""

    def __init__(self) -> None:
        """Listen at 127.0.0.1; nothing is served yet."""
        self.claims: Part = {"sub": "1001", "preferred_username": "Sari", "groups": ["rack-operators"]}
        """Of who signs in."""
        self.key = Key("first")
        self.published = [self.key]
        self.metadata: Part = {}
        """What it says of itself in place of the truth."""
        self.spoil: Callable[[Part, Part], None] = lambda _, __: None
        """Changes a token before it is signed."""
        self.info: Part | None = None
        """What userinfo says; None: there is no such endpoint."""
        self.info_status = 200
        self.asked: list[str] = []
        """Paths, in order."""
        self._codes: dict[str, Part] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def issuer(self) -> str:
        """Its name."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/realms/rack"

    def described(self) -> Part:
        """Discovery."""
        found = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        for name in ("authorization", "token", "end_session"):
            found[f"{name}_endpoint"] = f"{self.issuer}/{name}"
        found |= {} if self.info is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"}
        return found | self.metadata

    def authorise(self, asked: Part) -> str:
        """Where the browser goes, who has signed in at once."""
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def token(self, form: Part, shown: str) -> tuple[int, Part]:
        """An ID token for a code: once, for this client, with the verifier of its challenge."""
        asked = self._codes.pop(form.get("code", ""), None)
        wanted = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if shown != wanted and form.get("client_secret") != SECRET:
            return 401, {"error": "invalid_client"}
        challenge = _text(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        header: Part = {"alg": "RS256", "kid": self.key.id}
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.claims
        self.spoil(header, claims)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.key.sign(header, claims)}

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self.key = Key(f"key {len(self.published) + 1}")
        self.published = [self.key]

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def _whole(number: int) -> str:
    return _text(number.to_bytes(-(-number.bit_length() // 8), "big"))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _handler(provider: OpenIdProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            last = asked.path.rsplit("/", 1)[-1]
            provider.asked.append(last)
            if last == "authorization":
                self.send_response(302)
                self.send_header("Location", provider.authorise({k: v[0] for k, v in parse_qs(asked.query).items()}))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif last == "keys":
                self._send(200, {"keys": [key.public() for key in provider.published]})
            elif last == "userinfo":
                known = self.headers.get("Authorization") == "Bearer x"
                self._send(provider.info_status if known else 401, provider.info or {})
            else:
                self._send(200, provider.described())

        def do_POST(self) -> None:
            provider.asked.append("token")
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(sent).items()}
            self._send(*provider.token(form, self.headers.get("Authorization", "")))

        def _send(self, status: int, content: Part) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
