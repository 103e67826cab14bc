"""`source = { ... }`: where a camera's pictures come from."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edge_agent.config.base import FileSection, Section
from kardus.support.settings_files import FilePath

MAX_WAIT_S = 15.0
"""A camera that is silent for longer is reported within 20 seconds, so that no source may wait longer than this."""
Wait = Annotated[float, Field(ge=0.5, le=MAX_WAIT_S)]


def _address(schemes: tuple[str, ...]) -> AfterValidator:
    def check(url: str) -> str:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"not an address of the form {schemes[0]}://HOST[:PORT]/PATH") from error
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"not an address of the form {schemes[0]}://HOST[:PORT]/PATH")
        if parts.username is not None or parts.password is not None:
            raise ValueError(
                "user and password don't belong in it, where logs would show them: use username and password_file"
            )
        return url

    return AfterValidator(check)


def _plain_hex(text: object) -> object:
    """As openssl prints it or as plain digits."""
    return text.replace(":", "").replace(" ", "").lower() if isinstance(text, str) else text


Fingerprint = Annotated[str, BeforeValidator(_plain_hex), Field(pattern="^[0-9a-f]{64}$")]
ColourMatrix = Literal["bt601", "bt709"]
SECURE_SCHEMES = ("https", "rtsps")
HttpUrl = Annotated[str, _address(("http", "https"))]
RtspUrl = Annotated[str, _address(("rtsp", "rtsps"))]


class StillSource(Section):
    """A picture file that something else keeps up to date; read again for every frame."""

    type: Literal["file"]
    """Which kind of source."""
    path: FilePath
    """The picture."""


class FolderSource(Section):
    """The pictures of a folder, by name; ends after the last."""

    type: Literal["folder"]
    """Which kind of source."""
    path: FilePath
    """The folder."""


class VideoSource(Section):
    """A video file; ends after the last frame."""

    type: Literal["video"]
    """Which kind of source."""
    path: FilePath
    """The video file."""
    every: Annotated[int, Field(ge=1)] = 1
    """Take every n-th frame."""
    colour: ColourMatrix | None = None
    """How colours are coded. By default as the stream says; one that doesn't say is taken as players do: `bt709` from
    720 lines up, else `bt601`."""


class SimulatedSource(Section):
    """A drawn rack that plays a script; ends after its last frame."""

    type: Literal["simulated"]
    """Which kind of source."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed draws another shelf."""
    levels: Annotated[int, Field(ge=1, le=10)] = 3
    """Levels of the rack."""
    positions: Annotated[int, Field(ge=1, le=20)] = 5
    """Positions on each level."""
    bay: Annotated[int, Field(ge=1, le=99)] = 1
    """The rack's number; part of its locations' codes, `A-BAY-LEVEL-POSITION`."""
    script: FilePath | None = None
    """A script written by `kardus-agent simulate script`; by default the demo's, drawn from the seed."""
    photos: FilePath | None = None
    """A folder with one sub-folder of photos for each class, shown instead of the drawn cartons."""
    pattern: str = "*"
    """Which photos of them, by file name."""
    unknown: FilePath | None = None
    """Photos of things that are no known product."""
    live: bool = False
    """Play a camera that looks at what is there now: only such a one can be frozen."""
    again: Annotated[int, Field(ge=0)] = 0
    """How many more times the last picture is shown."""


class LoggedIn(FileSection):
    """A camera on the network that may ask for a login."""

    username: str | None = None
    """User name at the camera."""
    password_file: FilePath | None = None
    """A file that holds the password, readable by the agent only."""
    timeout_s: Wait = 10.0
    """A camera that sends nothing for this long is taken to be gone; connecting included."""


class OnNetwork(LoggedIn):
    """A camera with an address, which may begin with `https` or `rtsps`: then its certificate is checked."""

    url: str
    """Its address."""
    ca_file: FilePath | None = None
    """Of an `https` or `rtsps` address: the private authority that signed the camera's certificate, as a PEM file."""
    fingerprint: Fingerprint | None = None
    """In place of an authority: SHA-256 of the camera's own certificate, which alone is taken, whatever its name and
    date; `openssl x509 -fingerprint -sha256` prints it."""
    insecure: bool = False
    """Take any certificate: whoever stands between can read the login and show other pictures."""

    @model_validator(mode="after")
    def _check_trust(self) -> Self:
        given = [key for key in ("ca_file", "fingerprint", "insecure") if getattr(self, key)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: give one of them")
        if given and urlsplit(self.url).scheme not in SECURE_SCHEMES:
            raise ValueError(f"{given[0]} says nothing of {self.url}: leave it out, or use {self._secure_scheme()}://")
        return self

    def _secure_scheme(self) -> str:
        return urlsplit(self.url).scheme + "s"


class RtspSource(OnNetwork):
    """A network camera's stream (H.264, H.265, JPEG or MPEG-4 Part 2, over TCP); the newest frame is taken."""

    type: Literal["rtsp"]
    """Which kind of source."""
    url: RtspUrl
    """The stream's address, `rtsp://HOST/PATH`."""
    decode: Literal["auto", "all", "keyframes"] = "auto"
    """Which frames are decoded. `auto`: while nothing moves key frames alone, a fraction of the processor's time, and
    all of them as soon as the sizes of the packets between tell that something does; `all`: every frame, always;
    `keyframes`: key frames alone, always, for cameras that send one often enough."""
    colour: ColourMatrix | None = None
    """How colours are coded. By default as the stream says; one that doesn't say is taken as players do: `bt709` from
    720 lines up, else `bt601`."""


class MjpegSource(OnNetwork):
    """A camera that sends picture after picture over HTTP (multipart/x-mixed-replace); the newest frame is taken."""

    type: Literal["mjpeg"]
    """Which kind of source."""
    url: HttpUrl
    """The stream's address."""


class SnapshotSource(OnNetwork):
    """A camera that gives a picture for each HTTP request (ONVIF's snapshot address, for instance)."""

    type: Literal["snapshot"]
    """Which kind of source."""
    url: HttpUrl
    """The picture's address."""
    login: Literal["digest", "basic"] = "digest"
    """How user name and password are given; `basic` sends them readable to anyone, unless the address is https."""


class V4l2Source(Section):
    """A camera on this machine (USB, CSI), by Linux's video interface; the newest frame is taken."""

    type: Literal["v4l2"]
    """Which kind of source."""
    device: str = "/dev/video0"
    """The device."""
    width: Annotated[int, Field(ge=16, le=16_384)] | None = None
    """Of the pictures to ask for; by default the camera chooses."""
    height: Annotated[int, Field(ge=16, le=16_384)] | None = None
    """Of the pictures to ask for."""
    timeout_s: Wait = 10.0
    """A camera that sends nothing for this long is taken to be gone."""
    colour: ColourMatrix | None = None
    """How colours are coded. By default as the camera says; one that doesn't say is taken as `bt601`, which is what
    Linux's video interface means then."""


RealSource = StillSource | FolderSource | VideoSource | RtspSource | MjpegSource | SnapshotSource | V4l2Source
"""Cameras and files; the simulated rack is none."""
SourceSection = Annotated[RealSource | SimulatedSource, Field(discriminator="type")]
