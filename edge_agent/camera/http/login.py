"""Logs in to cameras over HTTP: Basic and Digest authentication (RFC 7616), however the camera asks for them."""

import hashlib
import re
import secrets
from collections.abc import Generator
from dataclasses import dataclass, field

import httpx2

_HASHES = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SHA-512-256": "sha512_256"}
ALGORITHMS = {name: known for name, known in _HASHES.items() if known in hashlib.algorithms_available}
"""Of Digest, in capitals: those that can be answered, as Python calls them. Not every OpenSSL has each."""
_SESSION = "-SESS"
"""Behind an algorithm: the password's hash is hashed once more, with what is new in each answer."""
MAX_LOGIN_ATTEMPTS = 2
"""A camera may call the first one's nonce too old, and ask once more."""
_SCHEMES = {"basic", "bearer", "digest", "hoba", "mutual", "negotiate", "ntlm", "scram-sha-1", "scram-sha-256"}
"""Words that begin another challenge, as any does that begins a header."""
_NEXT = "|".join([r"[\w-]{1,99}\s?=", *(rf"{scheme}\s" for scheme in sorted(_SCHEMES))])
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = re.compile(
    rf"""([\w!#$%&*+.^`|~-]+)(?:\s*=\s*({_QUOTED}?|'[^']*'|[^,;]*?(?=\s{{0,8}}(?:[,;]|$|\s(?:{_NEXT})))))?""",
    re.IGNORECASE,
)
"""A word, or a parameter with its value; what separates it from the next doesn't matter. Without quotes, a value may
have blanks in it: it goes on until another parameter or challenge begins."""
_BYTES = "latin-1"
"""A text of one character for each byte: what a camera calls itself is given back, and hashed, in its own bytes."""


@dataclass
class Challenge:
    """One of the ways to log in that a camera offers (an HTTP authentication challenge)."""

    scheme: str
    """In small letters."""
    parameters: dict[str, str] = field(default_factory=dict)
    """By their names in small letters; values without quotes, a character for each byte."""
    written: dict[str, str] = field(default_factory=dict)
    """The same with the quotes, as the camera writes them."""

    @property
    def is_answerable(self) -> bool:
        """Whether it is Basic, or a Digest of a kind that is known here."""
        if self.scheme == "basic":
            return True
        if self.scheme != "digest" or not {"realm", "nonce"} <= self.parameters.keys():
            return False
        ways = re.split(r"[,;\s]+", self.parameters.get("qop", "auth").lower())
        return self.hash_name in ALGORITHMS and ("auth" in ways or ways == [""])

    @property
    def algorithm(self) -> str:
        """Digest's; empty: it names none, which is MD5."""
        return self.parameters.get("algorithm", "")

    @property
    def hash_name(self) -> str:
        """Which hash Digest is to use, in capitals."""
        return (self.algorithm or "MD5").upper().removesuffix(_SESSION)

    @property
    def is_stale(self) -> bool:
        """Whether the last answer was right, and only its nonce too old."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def description(self) -> str:
        """For people: the scheme, with Digest's algorithm."""
        return " ".join(word for word in (self.scheme, self.algorithm) if word)

    def quoted(self, name: str) -> str:
        """A parameter's value in quotes, as the camera wrote it: it may compare it as it stands."""
        written = self.written[name]
        return written if re.fullmatch(_QUOTED, written) else f'"{_escaped(self.parameters[name])}"'


class Digest:
    """Answers to one challenge, which are counted."""

    def __init__(self, challenge: Challenge, username: str, password: str) -> None:
        """`challenge` is an answerable Digest."""
        self._challenge = challenge
        self._username, self._password = username.encode(), password.encode()
        self._count = 0

    def authorize(self, request: httpx2.Request) -> None:
        """Put user name and password, or the digest, into the request's headers."""
        others = [header for header in request.headers.raw if header[0].lower() != b"authorization"]
        request.headers = httpx2.Headers([*others, (b"Authorization", self._header(request))])

    def _header(self, request: httpx2.Request) -> bytes:
        """Of the ways to protect the exchange `auth` alone: nothing is sent besides."""
        asked, has_qop = self._challenge, bool(self._challenge.parameters.get("qop"))
        self._count += 1
        counted = [f"{self._count:08x}", secrets.token_hex(8)]
        told = [f'username="{_escaped(self._username.decode(_BYTES))}"']
        told += [f"{name}={asked.quoted(name)}" for name in ("realm", "nonce", "opaque") if name in asked.written]
        told.append(f'uri="{request.url.raw_path.decode(_BYTES)}"')
        told.append(f'response="{self._response(request, counted, has_qop=has_qop)}"')
        if asked.algorithm:
            told.append(f"algorithm={asked.algorithm}")
        if has_qop:
            told += ["qop=auth", f"nc={counted[0]}", f'cnonce="{counted[1]}"']
        return f"Digest {', '.join(told)}".encode(_BYTES)

    def _response(self, request: httpx2.Request, counted: list[str], *, has_qop: bool) -> str:
        """RFC 7616, 3.4.1; `counted` are nc and cnonce."""
        realm, nonce = (self._challenge.parameters[name].encode(_BYTES) for name in ("realm", "nonce"))
        secret = self._hashed(self._username, realm, self._password)
        if self._challenge.algorithm.upper().endswith(_SESSION):
            secret = self._hashed(secret, nonce, counted[1].encode())
        asked_for = self._hashed(request.method.encode(), request.url.raw_path)
        return self._hashed(secret, nonce, *([*(c.encode() for c in counted), b"auth"] * has_qop), asked_for).decode()

    def _hashed(self, *parts: bytes) -> bytes:
        name = ALGORITHMS[self._challenge.hash_name]
        return hashlib.new(name, b":".join(parts), usedforsecurity=False).hexdigest().encode()


class Login(httpx2.Auth):
    """Answers the first challenge of an allowed scheme that it can; Digest before Basic."""

    def __init__(self, username: str, password: str, schemes: tuple[str, ...]) -> None:
        """`schemes` are those allowed, of `digest` and `basic`; `basic` alone is told without being asked."""
        self._schemes = schemes
        self._who = (username, password)
        self._digest: Digest | None = None
        self._basic = httpx2.BasicAuth(username, password)
        self._is_basic = schemes == ("basic",)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """The request, and where the camera asks for a login, once more with it."""
        if self._is_basic:
            yield from self._basic.auth_flow(request)
            return
        if self._digest is not None:
            self._digest.authorize(request)
        answer = yield request
        for number in range(MAX_LOGIN_ATTEMPTS):
            challenge = self.chosen(answer)
            if challenge is None or (number and not challenge.is_stale):
                return
            if challenge.scheme == "basic":
                self._is_basic = True
                yield from self._basic.auth_flow(request)
                return
            self._digest = Digest(challenge, *self._who)
            self._digest.authorize(request)
            httpx2.Cookies(answer.cookies).set_cookie_header(request)
            answer = yield request

    def chosen(self, answer: httpx2.Response) -> Challenge | None:
        """What of the camera's challenges is answered; None: it asks for nothing, or for nothing that is allowed."""
        if answer.status_code != httpx2.codes.UNAUTHORIZED:
            return None
        found = [challenge for challenge in challenges(answer.headers) if challenge.is_answerable]
        return next(
            (one for scheme in ("digest", "basic") if scheme in self._schemes for one in found if one.scheme == scheme),
            None,
        )


def challenges(headers: httpx2.Headers) -> list[Challenge]:
    """The challenges of an answer, in one header or several; what is malformed is left out."""
    found: list[Challenge] = []
    for name, header in headers.raw:
        if name.lower() == b"www-authenticate":
            found += _challenges(header.decode(_BYTES))
    return found


def _challenges(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    for match in _WORD.finditer(header):
        word, value = match[1].lower(), match[2]
        if value is None and (not found or word in _SCHEMES):
            found.append(Challenge(word))
        elif value is not None and found:
            found[-1].written.setdefault(word, value)
            found[-1].parameters.setdefault(word, _unquoted(value))
        elif found and word == "auth":  # of a `qop` without quotes
            found[-1].parameters["qop"] = word
    return found


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote not in {'"', "'"}:
        return value
    return re.sub(r"""\\(["\\])""", r"\1", value[1:].removesuffix(quote))  # another character has no need of it


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)
