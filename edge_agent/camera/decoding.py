"""What the agent and its decoding process say to each other; apart, so that the agent doesn't load FFmpeg."""

import json
import struct
from dataclasses import asdict, dataclass, field

FRAME_HEADER = struct.Struct("<cII")
MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class Stream:
    """What is to be decoded."""

    address: str
    format: str | None = None
    """FFmpeg's name of the container or device; None: it is found out."""
    options: dict[str, str] = field(default_factory=dict)
    """FFmpeg's options for it."""
    live: bool = True
    every: int = 1
    """Give every n-th picture. Not for a live stream."""
    keyframes_only: bool = False
    timeout_s: float = 10.0
    """For connecting, and for each read."""

    def encode(self) -> bytes:
        """As a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"
