"""What a camera is told about who looks: HTTP's Basic and Digest (RFC 7616), however the camera asks for them."""

import functools
import re
from collections.abc import Generator
from dataclasses import dataclass, field

import httpx2

ALGORITHMS = frozenset(name + suffix for name in ("MD5", "SHA", "SHA-256", "SHA-512") for suffix in ("", "-SESS"))
"""Of Digest, in capitals: those that can be answered."""
ANSWERS = 2
"""A camera may call the first one's nonce too old, and ask once more."""
_WORD = re.compile(r"""([\w!#$%&*+.^`|~-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"?|'[^']*'|[^\s,;]*))?""")
"""A word, or a parameter with its value; what separates it from the next doesn't matter."""
_SCHEMES = {"basic", "bearer", "digest", "hoba", "mutual", "negotiate", "ntlm", "scram-sha-1", "scram-sha-256"}
"""Words that begin another challenge, as any does that begins a header."""


@dataclass
class Challenge:
    """One of the ways in which a camera lets itself be told who looks."""

    scheme: str
    """In small letters."""
    parameters: dict[str, str] = field(default_factory=dict)
    """By their names in small letters; values without quotes."""

    @property
    def is_answerable(self) -> bool:
        """Whether it is Basic, or a Digest of a kind that is known here."""
        if self.scheme == "basic":
            return True
        if self.scheme != "digest" or not {"realm", "nonce"} <= self.parameters.keys():
            return False
        ways = re.split(r"[,;\s]+", self.parameters.get("qop", "auth").lower())
        return (self.algorithm or "MD5").upper() in ALGORITHMS and ("auth" in ways or ways == [""])

    @property
    def algorithm(self) -> str:
        """Digest's; empty: it names none, which is MD5."""
        return self.parameters.get("algorithm", "")

    @property
    def is_stale(self) -> bool:
        """Whether the last answer was right, and only its nonce too old."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def said(self) -> str:
        """For people: the scheme, with Digest's algorithm."""
        return " ".join(word for word in (self.scheme, self.algorithm) if word)

    def header(self) -> str:
        """As a header of its own; of the ways to protect the exchange `auth` alone, for nothing is sent besides."""
        kept: dict[str, str] = {
            key: self.parameters[key] for key in ("realm", "nonce", "opaque") if key in self.parameters
        }
        if self.parameters.get("qop"):
            kept["qop"] = "auth"
        texts = [f'{key}="{_escaped(value)}"' for key, value in kept.items()]
        if self.algorithm:
            texts.append(f"algorithm={self.algorithm}")
        return "Digest " + ", ".join(texts)


class Login(httpx2.Auth):
    """Answers the first challenge of an allowed scheme that it can; Digest before Basic."""

    def __init__(self, username: str, password: str, schemes: tuple[str, ...]) -> None:
        """`schemes` are those allowed, of `digest` and `basic`; `basic` alone is told without being asked."""
        self._schemes = schemes
        self._begin_digest = functools.partial(httpx2.DigestAuth, username, password)
        self._digest = self._begin_digest()
        self._basic = httpx2.BasicAuth(username, password)
        self._is_basic = schemes == ("basic",)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """The request, and where the camera asks who looks once more with the answer."""
        if self._is_basic:
            yield from self._basic.auth_flow(request)
            return
        flow = self._digest.auth_flow(request)
        answer = yield next(flow)
        for number in range(ANSWERS):
            challenge = self.chosen(answer)
            if challenge is None or (number and not challenge.is_stale):
                return
            if challenge.scheme == "basic":
                self._is_basic = True
                yield from self._basic.auth_flow(request)
                return
            if number:
                self._digest = self._begin_digest()
                flow = self._digest.auth_flow(request)
                next(flow)  # the request without an answer: it was asked already
            answer.headers["WWW-Authenticate"] = challenge.header()
            answer = yield flow.send(answer)

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
    for header in headers.get_list("WWW-Authenticate"):
        found += _challenges(header)
    return found


def _challenges(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    for match in _WORD.finditer(header):
        word, value = match[1].lower(), match[2]
        if value is None and (not found or word in _SCHEMES):
            found.append(Challenge(word))
        elif value is not None and found:
            found[-1].parameters.setdefault(word, _unquoted(value))
        elif found and word == "auth":  # of a `qop` without quotes
            found[-1].parameters["qop"] = word
    return found


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote not in {'"', "'"}:
        return value
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix(quote))


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)
