"""Everything that can be wrong with a configuration, found before the agent runs."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.camera.source import Source
from edge_agent.config import Config
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import ModelSection
from edge_agent.seeing.slots import outside, slots_of
from kardus.contract.manifest import EMPTY_CLASS
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.mqtt.client import MqttClient
from kardus.support.errors import BrokerError, KardusError


@dataclass(frozen=True)
class CheckResult:
    """One thing that was checked."""

    what: str
    ok: bool
    found: str


def check_all(
    config: Config,
    load: Callable[[ModelSection], tuple[Bundle, Classifier]],
    check_outbox: Callable[[], str],
    open_camera_source: Callable[[CameraSection], Source],
) -> list[CheckResult]:
    """Check model, data folder, every camera with its corners, and the broker. Changes nothing.

    Args:
        config: what is checked.
        load: loads and tests the model.
        check_outbox: what is wrong with the outbox file; empty if nothing is.
        open_camera_source: gives a camera's source.
    """
    return [
        _check_model(config.model, load),
        _check_folder(config.agent.data_dir, check_outbox),
        *(_check_camera(camera, open_camera_source) for camera in config.cameras),
        _check_broker(config),
    ]


def _check_model(model: ModelSection | None, load: Callable[[ModelSection], tuple[Bundle, Classifier]]) -> CheckResult:
    if model is None:
        return CheckResult("model", ok=True, found="none yet: photos are collected for the first one")
    try:
        bundle, _ = load(model)
    except KardusError as error:
        return CheckResult("model", ok=False, found=str(error))
    names = [info.name for info in bundle.manifest.classes]
    note = "" if EMPTY_CLASS in names else f"; it has no class '{EMPTY_CLASS}', so it never reports an empty location"
    return CheckResult("model", ok=True, found=f"{bundle.title}, {len(names)} classes, golden samples agree{note}")


def _check_folder(folder: Path, check_outbox: Callable[[], str]) -> CheckResult:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return CheckResult("data folder", ok=False, found=f"agent.data_dir = {folder}: {existing} can't be written to")
    problem = check_outbox()
    return CheckResult("data folder", ok=not problem, found=problem or str(folder))


def _check_camera(camera: CameraSection, open_camera_source: Callable[[CameraSection], Source]) -> CheckResult:
    what = f"camera {camera.name}"
    picture = next(open_camera_source(camera).pictures(), "no picture")
    if isinstance(picture, str):
        return CheckResult(what, ok=False, found=picture)
    slots = slots_of(camera)
    problem = outside(slots, *picture.size)
    if problem:
        return CheckResult(what, ok=False, found=problem)
    found = f"{picture.width} x {picture.height}, {len(slots)} locations inside the picture"
    return CheckResult(what, ok=True, found=found + _trust(camera))


def _trust(camera: CameraSection) -> str:
    return "; its certificate isn't checked (insecure = true)" if getattr(camera.source, "insecure", False) else ""


def _check_broker(config: Config) -> CheckResult:
    broker = config.mqtt.broker
    try:
        with MqttClient(broker) as client:
            return CheckResult("broker", ok=True, found=f"{broker.address}, MQTT {client.version}")
    except BrokerError as error:
        return CheckResult("broker", ok=False, found=str(error))
