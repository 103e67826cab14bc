"""The agent's configuration: one TOML file, validated once, frozen."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from edge_agent.bundle import parse_public_key
from edge_agent.contract.topics import Id
from edge_agent.errors import ConfigError
from edge_agent.geometry import FloatArray, is_convex

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Point = tuple[float, float]


class Section(BaseModel):
    """A part of the configuration. Unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def _relative_to_file(path: Path, info: ValidationInfo) -> Path:
    """Paths are relative to the configuration file."""
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / path


class AgentSection(Section):
    """`[agent]`: who this is."""

    site: Id
    """The warehouse; part of every topic."""
    name: Id
    """This agent's own name at the site; part of its topics."""
    data_dir: Path
    """Where the outbox and the expected stock are kept."""

    _resolve = field_validator("data_dir")(_relative_to_file)


class ModelSection(Section):
    """`[model]`: which bundle, and whose signature is trusted."""

    bundle: Path
    """The `.bundle` file."""
    trust: tuple[str, ...] = ()
    """Public keys, `ed25519:...`."""
    allow_unsigned: bool = False
    """Accept a bundle that nobody signed. For trials only."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Processor threads for the model; 0 takes all."""

    _resolve = field_validator("bundle")(_relative_to_file)

    @field_validator("trust")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            parse_public_key(key)
        return keys


class MqttSection(Section):
    """`[mqtt]`: the broker."""

    host: str = "localhost"
    """The broker's host name or address."""
    port: Port = 1883
    """The broker's port."""
    version: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto`: 5, and 3.1.1 where the broker has no 5."""
    username: str | None = None
    """User name at the broker."""
    password_file: Path | None = None
    """A file that holds the password, readable by the agent only."""
    keepalive_s: Annotated[int, Field(ge=2, le=3600)] = 20
    """A broker that says nothing for one and a half times this long is taken to be gone."""

    @field_validator("password_file")
    @classmethod
    def _resolve(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return _relative_to_file(path, info) if path else None


class VerdictSection(Section):
    """`[verdict]`: when a location is judged."""

    votes: Annotated[int, Field(ge=1, le=100)] = 3
    """A verdict stands when this many ..."""
    window: Annotated[int, Field(ge=1, le=100)] = 5
    """... of the last so many pictures agree."""
    match_likelihood: Annotated[float, Field(gt=0, le=1)] = 0.6
    """The expected product's likelihood from which it is a match."""
    mismatch_likelihood: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The expected product's likelihood up to which it can be a mismatch; in between it is uncertain."""
    min_confidence: Annotated[float, Field(gt=0, le=1)] = 0.75
    """How sure the model must be of what it sees instead."""
    valid_for_s: Seconds = 300.0
    """A published state is void after this long without a new look."""

    @model_validator(mode="after")
    def _in_order(self) -> VerdictSection:
        if self.votes > self.window:
            raise ValueError(f"votes = {self.votes} can never be reached in a window of {self.window}")
        if 2 * self.votes <= self.window:
            raise ValueError(f"votes = {self.votes} must be more than half of window = {self.window}, or two could win")
        if self.mismatch_likelihood >= min(self.match_likelihood, self.min_confidence):
            raise ValueError("mismatch_likelihood must be below match_likelihood and min_confidence")
        return self


class LocationSection(Section):
    """`[[cameras.locations]]`: one storage location in the picture."""

    id: Id
    """The WMS's own code."""
    corners: tuple[Point, Point, Point, Point]
    """Top left, top right, bottom right, bottom left, as they appear on the carton."""

    @field_validator("corners")
    @classmethod
    def _convex(cls, corners: tuple[Point, Point, Point, Point]) -> tuple[Point, Point, Point, Point]:
        if not is_convex(as_array(corners)):
            raise ValueError("the corners don't go round clockwise: top left, top right, bottom right, bottom left")
        return corners


class StillSource(Section):
    """A picture file that something else keeps up to date; read again at every look."""

    type: Literal["file"]
    """Which kind of source."""
    path: Path
    """The picture."""

    _resolve = field_validator("path")(_relative_to_file)


class FolderSource(Section):
    """The pictures of a folder, by name; ends after the last."""

    type: Literal["folder"]
    """Which kind of source."""
    path: Path
    """The folder."""

    _resolve = field_validator("path")(_relative_to_file)


class VideoSource(Section):
    """A video file; ends after the last frame."""

    type: Literal["video"]
    """Which kind of source."""
    path: Path
    """The video file."""
    every: Annotated[int, Field(ge=1)] = 1
    """Take every n-th frame."""

    _resolve = field_validator("path")(_relative_to_file)


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
    script: Path | None = None
    """A script written by `kardus-agent simulate script`; by default the demo's, drawn from the seed."""
    photos: Path | None = None
    """A folder with one sub-folder of photos for each class, shown instead of the drawn cartons."""
    pattern: str = "*"
    """Which photos of them, by file name."""
    unknown: Path | None = None
    """Photos of things that are no known product."""

    @field_validator("script", "photos", "unknown")
    @classmethod
    def _resolve(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return _relative_to_file(path, info) if path else None


Source = Annotated[StillSource | FolderSource | VideoSource | SimulatedSource, Field(discriminator="type")]


class CameraSection(Section):
    """`[[cameras]]`: one camera and what it sees."""

    name: Id
    """The camera's name; part of its health topic."""
    source: Source
    """Where its pictures come from: one of the four tables below."""
    interval_s: Annotated[float, Field(ge=0, le=86_400)] = 1.0
    """Seconds from one look to the next; 0 looks as fast as the machine can."""
    units: Literal["pixels", "share"] = "pixels"
    """Of the corners: pixels, or shares (0 to 1) of the picture's width and height."""
    locations: Annotated[tuple[LocationSection, ...], Field(min_length=1)]
    """The storage locations in its picture."""


class Config(Section):
    """The whole configuration."""

    agent: AgentSection
    """Who this is."""
    model: ModelSection
    """Which model judges."""
    mqtt: MqttSection = MqttSection()
    """Where the broker is."""
    verdict: VerdictSection = VerdictSection()
    """When a location is judged."""
    cameras: Annotated[tuple[CameraSection, ...], Field(min_length=1)]
    """What is watched."""

    @model_validator(mode="after")
    def _unique_names(self) -> Config:
        _refuse_repeated("cameras", [camera.name for camera in self.cameras])
        _refuse_repeated("locations", [location.id for camera in self.cameras for location in camera.locations])
        return self


def as_array(corners: tuple[Point, ...]) -> FloatArray:
    """Corners as an array of shape (4, 2)."""
    return np.array(corners, dtype=np.float64)


def load_config(path: Path) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: the file is missing, not TOML, or a key is wrong; the message names the key and the value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): name a configuration file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return parse_config(content, path)


def parse_config(content: dict[str, Any], path: Path) -> Config:
    """Validate a configuration that was read from `path`."""
    try:
        return Config.model_validate(content, context={"folder": path.parent.resolve()})
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    # A misspelt key is also a missing one: say the spelling that stands there first.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    key = ".".join(
        str(part) if str(part).isprintable() else repr(part)
        for part in first["loc"]
        if part not in ("file", "folder", "video", "simulated")
    )
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if first["type"] == "missing":
        return f"{key}: missing: add it (see docs/configuration.md)"
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key: see docs/configuration.md"
    value = first["input"]
    shown = f" = {value!r}" if isinstance(value, str | int | float) else ""
    return f"{key}{shown}: {message}" if key else message


def _refuse_repeated(what: str, names: list[str]) -> None:
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise ValueError(f"{what}: '{repeated}' stands there twice: give each its own name")
