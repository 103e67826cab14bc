"""What the agent and its decoding process say to each other; apart, so that the agent doesn't load FFmpeg."""

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Literal, Self

from edge_agent.camera.tls import TlsPolicy

FRAME_HEADER = struct.Struct("<cIIBBf")


@dataclass(frozen=True)
class StreamRequest:
    """What is to be decoded."""

    address: str
    format: str | None = None
    """FFmpeg's name of the container or device; None: it is found out. `MULTIPART`: not by FFmpeg at all."""
    options: dict[str, str] = field(default_factory=dict)
    """FFmpeg's options for it."""
    live: bool = True
    every: int = 1
    """Give every n-th picture. Not for a live stream."""
    decoded: Literal["auto", "all", "keyframes"] = "auto"
    """Of a live stream: which frames; `auto`: key frames alone while nothing moves."""
    timeout_s: float = 10.0
    """For connecting, and for each read."""
    username: str | None = None
    password: str = ""
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    """Of an address that begins with `https` or `rtsps`."""
    colour: Literal["bt601", "bt709"] | None = None
    """How colours are coded, whatever the stream says. None: as it says."""
    untagged: Literal["bt601"] | None = None
    """What a stream is taken as that doesn't say how. None: by its height."""

    def encode(self) -> bytes:
        """As a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """From a line of JSON."""
        values = json.loads(line)
        return cls(**values | {"tls": TlsPolicy(**values["tls"])})


MULTIPART = "multipart"
"""Picture after picture over HTTP."""
