"""Everything that can be wrong with a configuration, found before the agent runs: what it opens, opened as it does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_agent.camera.source import PictureSource
from edge_agent.config import Config
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import ModelSection
from edge_agent.seeing.camera_view import CameraView
from kardus.codes.labels import find_labels
from kardus.codes.rack_check import other_rack
from kardus.contract.manifest import EMPTY_CLASS
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.inference.part_decoded import whole_of
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import DataError, KardusError

UNKNOWN_SIZE = (
    "; which size of picture its corners belong to isn't known, and they were taken as this one's: add picture_size = "
    "[{0}, {1}], or the size of the picture in which they were laid out"
)


@dataclass(frozen=True)
class CheckResult:
    """One thing that was checked."""

    what: str
    ok: bool
    found: str


@dataclass(frozen=True)
class CheckedOpeners:
    """How the agent opens what its configuration names; nothing is changed. A KardusError says what is wrong."""

    model: Callable[[ModelSection], tuple[Bundle, Classifier]]
    """Loads and tests the model that would be run."""
    data_folder: Callable[[], str]
    """Sees that what is kept can be kept; what was found."""
    camera: Callable[[CameraSection], tuple[PictureSource, CameraView]]
    health_page: Callable[[], str] | None
    """Takes the port, and gives it back; what was found. None: no port is configured."""


def check_all(config: Config, openers: CheckedOpeners) -> list[CheckResult]:
    """Check model, data folder, every camera with its corners, the health page and the broker. Changes nothing."""
    attempts = [
        ("model", lambda: _check_model(config.model, openers)),
        ("data folder", openers.data_folder),
        *((f"camera {camera.name}", _camera_check(camera, openers)) for camera in config.cameras),
        *([("health page", openers.health_page)] if openers.health_page else []),
        ("broker", lambda: _check_broker(config.mqtt.broker)),
    ]
    return [_tried(what, attempt) for what, attempt in attempts]


def _tried(what: str, attempt: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(what, ok=True, found=attempt())
    except KardusError as error:
        return CheckResult(what, ok=False, found=str(error))


def _check_model(model: ModelSection | None, openers: CheckedOpeners) -> str:
    if model is None:
        return "none yet: photos are collected for the first one"
    bundle, classifier = openers.model(model)
    names = [info.name for info in bundle.manifest.classes]
    note = "" if EMPTY_CLASS in names else f"; it has no class '{EMPTY_CLASS}', so it never reports an empty location"
    return f"{bundle.title}, {len(names)} classes, golden samples agree, runs on {classifier.runs_on}{note}"


def _camera_check(camera: CameraSection, openers: CheckedOpeners) -> Callable[[], str]:
    def check() -> str:
        source, view = openers.camera(camera)
        try:
            given = next(source.pictures(), "no picture")
        finally:
            source.close()
        if isinstance(given, str):
            raise DataError(given)
        picture = whole_of(given)
        problem = view.other_shape(picture.size) or view.outside(picture.size)
        if problem:
            raise DataError(problem)
        if not view.slots:
            return f"{picture.width} x {picture.height}; no locations yet: it waits to be laid out on the page"
        size = view.commissioned_size
        is_scaled = size is not None and size != picture.size and not view.slots[0].in_shares
        unknown = size is None and not view.slots[0].in_shares
        scaled = f" (corners scaled from {size[0]} x {size[1]})" if size and is_scaled else ""
        labels = find_labels(picture)
        if contradiction := other_rack(labels, view.outlines(picture, np.eye(3))):
            raise DataError(f"it looks at another rack: {contradiction}")
        found = f"{picture.width} x {picture.height}, {len(view.slots)} locations inside the picture"
        found += f", {len(labels)} labels agree" if labels else ""
        return f"{found}{scaled}{UNKNOWN_SIZE.format(*picture.size) if unknown else ''}{_trust(camera)}"

    return check


def _trust(camera: CameraSection) -> str:
    return "; its certificate isn't checked (insecure = true)" if getattr(camera.source, "insecure", False) else ""


def _check_broker(broker: BrokerSettings) -> str:
    with MqttClient(broker) as client:
        return f"{broker.address}, MQTT {client.version}"
