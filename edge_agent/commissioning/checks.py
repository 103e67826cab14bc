"""Everything that can be wrong with a configuration, found before the agent runs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edge_agent.config import Config
from edge_agent.config.cameras import CameraSection
from edge_agent.models.load import load_model
from edge_agent.reporting.outbox.check import check_outbox
from edge_agent.reporting.storage import OUTBOX_FILE
from edge_agent.seeing.slots import outside, slots_of
from edge_agent.sources import open_source
from kardus.contract.manifest import EMPTY_CLASS
from kardus.mqtt.client import MqttClient
from kardus.support.errors import BrokerError, KardusError


@dataclass(frozen=True)
class Result:
    """One thing that was checked."""

    what: str
    ok: bool
    found: str


def check_all(config: Config) -> list[Result]:
    """Model, data folder, every camera with its corners, and the broker. Changes nothing."""
    return [
        _check_model(config),
        _check_folder(config),
        *(_check_camera(camera) for camera in config.cameras),
        _check_broker(config),
    ]


def _check_model(config: Config) -> Result:
    if config.model is None:
        return Result("model", ok=True, found="none yet: photos are collected for the first one")
    try:
        bundle, _ = load_model(config.model)
    except KardusError as error:
        return Result("model", ok=False, found=str(error))
    names = [info.name for info in bundle.manifest.classes]
    note = "" if EMPTY_CLASS in names else f"; it has no class '{EMPTY_CLASS}', so it never reports an empty location"
    return Result("model", ok=True, found=f"{bundle.title}, {len(names)} classes, golden samples agree{note}")


def _check_folder(config: Config) -> Result:
    folder = config.agent.data_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Result("data folder", ok=False, found=f"agent.data_dir = {folder}: {existing} can't be written to")
    problem = check_outbox(folder / OUTBOX_FILE)
    return Result("data folder", ok=not problem, found=problem or str(folder))


def _check_camera(camera: CameraSection) -> Result:
    what = f"camera {camera.name}"
    picture = next(open_source(camera).pictures(), "no picture")
    if isinstance(picture, str):
        return Result(what, ok=False, found=picture)
    slots = slots_of(camera)
    problem = outside(slots, *picture.size)
    if problem:
        return Result(what, ok=False, found=problem)
    return Result(what, ok=True, found=f"{picture.width} x {picture.height}, {len(slots)} locations inside the picture")


def _check_broker(config: Config) -> Result:
    broker = config.mqtt.broker
    try:
        with MqttClient(broker) as client:
            return Result("broker", ok=True, found=f"{broker.address}, MQTT {client.version}")
    except BrokerError as error:
        return Result("broker", ok=False, found=str(error))
