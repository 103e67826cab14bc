"""The agent's configuration: one TOML file, validated once, frozen."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from edge_agent.config.base import Section
from edge_agent.config.cameras import CameraSection
from edge_agent.config.layout_files import LayoutFile, LayoutRevision, as_keys
from edge_agent.config.sections import (
    AgentSection,
    CodesSection,
    EvidenceSection,
    GateSection,
    HarvestSection,
    HealthSection,
    HomeAssistantSection,
    ModelSection,
    MqttSection,
    OutboxSection,
    RecordingSection,
    VerdictSection,
    ViewSection,
)
from kardus.contract.mqtt_text import NO_TEXT
from kardus.support.errors import ConfigError
from kardus.support.settings_files import explain_settings, first_of, key_of, shown_value
from kardus.support.toml_files import read_toml


class Config(Section):
    """The whole configuration."""

    agent: AgentSection
    """Who this is."""
    model: ModelSection | None = None
    """Which model judges; none where photos are collected for the first one (`harvest.sample`)."""
    mqtt: MqttSection = MqttSection()
    """Where the broker is."""
    outbox: OutboxSection = OutboxSection()
    """What waits for it."""
    verdict: VerdictSection = VerdictSection()
    """When a location is judged."""
    view: ViewSection = ViewSection()
    """When a picture can be trusted."""
    gate: GateSection = GateSection()
    """When a location is classified."""
    codes: CodesSection = CodesSection()
    """What printed codes say."""
    evidence: EvidenceSection = EvidenceSection()
    """Which pictures are kept."""
    recording: RecordingSection = RecordingSection()
    """What is kept to be replayed."""
    harvest: HarvestSection = HarvestSection()
    """Which photos are kept for training."""
    health: HealthSection = HealthSection()
    """How the agent is watched."""
    homeassistant: HomeAssistantSection = HomeAssistantSection()
    """Whether Home Assistant is told."""
    cameras: Annotated[tuple[CameraSection, ...], Field(min_length=1)]
    """What is watched."""

    @model_validator(mode="after")
    def _has_a_task(self) -> "Config":
        if self.model is None and not self.harvest.sample:
            raise ValueError("model: missing: add it, or collect photos for a first one with [harvest] sample = true")
        return self

    @model_validator(mode="after")
    def _unique_names(self) -> "Config":
        _refuse_repeated("cameras", [camera.name for camera in self.cameras])
        _refuse_repeated("cameras.layout", [camera.layout for camera in self.cameras if camera.layout])
        _refuse_repeated("locations", [location.id for camera in self.cameras for location in camera.locations])
        strange = set(self.recording.cameras) - {camera.name for camera in self.cameras}
        if strange:
            raise ValueError(f"recording.cameras: '{min(strange)}' is none of the cameras: name one of [[cameras]]")
        return self


_UNFIT = (
    "MQTT doesn't take it: no control characters; in a topic's levels no /, + or # either, no $ or space at the start, "
    "and at most 100 characters: choose another"
)


def load_config(path: Path, drafts: Mapping[str, LayoutRevision] | None = None) -> Config:
    """Read and validate a configuration file, and the layouts that its cameras name.

    Args:
        path: the file.
        drafts: by camera, layouts that are to be tried in place of those that hold.

    Raises:
        ConfigError: the file is missing, not TOML, or a key is wrong; the message names the key and the value. Or a
            layout is so, or can't be read.
    """
    try:
        content = read_toml(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): name a configuration file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    config = parse_config(content, path)
    laid_out = _laid_out(config, drafts or {})
    if not laid_out:
        return config
    sections = [section | laid_out.get(number, {}) for number, section in enumerate(content["cameras"])]
    return parse_config(content | {"cameras": sections}, path)


def _laid_out(config: Config, drafts: Mapping[str, LayoutRevision]) -> dict[int, dict[str, Any]]:
    """By the camera's place, the keys that its layout stands for."""
    found = {}
    for number, camera in enumerate(config.cameras):
        if camera.layout is not None:
            file = LayoutFile(config.agent.data_dir, camera.layout)
            holds = drafts.get(camera.name) or next(iter(file.read()[-1:]), None)
            if holds is not None:
                found[number] = as_keys(holds, file.path.parent)
    return found


def parse_config(content: dict[str, Any], path: Path) -> Config:
    """Validate a configuration that was read from `path`."""
    try:
        return Config.model_validate(content, context={"folder": path.parent.resolve()})
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error, content)}") from error


def _explain(error: ValidationError, content: dict[str, Any]) -> str:
    first = first_of(error)
    if first["type"] == "string_pattern_mismatch" and NO_TEXT in first["ctx"]["pattern"]:
        return f"{key_of(first, content)} = {shown_value(first['input'])}: {_UNFIT}"
    return explain_settings(error, content, "docs/configuration.md")


def _refuse_repeated(what: str, names: list[str]) -> None:
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise ValueError(f"{what}: '{repeated}' stands there twice: give each its own name")
