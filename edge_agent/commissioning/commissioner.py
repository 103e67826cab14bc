"""Cameras laid out over MQTT: what holds, labels found, another layout tried and kept, an earlier one gone back to.

set-layout ─> outlines ─> the configuration with it ─> cameras made anew ─> file ─> the agent goes over to it
              (what is wrong anywhere before `file`: refused, and what held goes on)
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge_agent.commissioning.layout import expected_accuracy
from edge_agent.commissioning.layout_checks import wrong_outline
from edge_agent.commissioning.outlines import propose
from edge_agent.config.cameras import CameraSection
from edge_agent.config.layout_files import LayoutFile, LayoutRevision, changes
from edge_agent.seeing.commissioned import other_shape
from edge_agent.seeing.mask import Mask, areas_of
from edge_agent.seeing.slots import Slot
from kardus.codes.labels import find_labels
from kardus.contract.commands import FindLabels, ReadLayout, RestoreLayout, SetLayout
from kardus.contract.layouts import MAX_AREAS, MAX_CAMERA_LOCATIONS, MAX_FACINGS, Layout, PlacedLocation
from kardus.contract.manifest import PixelAccuracy
from kardus.inference.geometry import Float64Array
from kardus.support.errors import ConfigError, KardusError

Taken = tuple[datetime, Image.Image]
"""A picture, and when it was taken."""
VIEW_QUALITY = 95
"""Of the commissioning picture's JPEG: its marks are looked for later."""


@dataclass(frozen=True)
class AgentParts:
    """What commissioning needs of the agent, as functions; each raises a KardusError that says what is wrong."""

    data_dir: Path
    section: Callable[[str], CameraSection]
    """What a camera's configuration says now."""
    slots: Callable[[str], tuple[Slot, ...]]
    """Where its locations are laid out."""
    newest: Callable[[str], Taken]
    """Its newest picture, as it came."""
    shown: Callable[[str], Taken]
    """The same, without what is masked."""
    why_unfit: Callable[[str, Image.Image], str]
    """Why a picture of it can't be its commissioning picture; empty: it can."""
    curve: Callable[[], Sequence[PixelAccuracy]]
    """How often the model is right, by the pixels of a location."""
    go_over: Callable[[Mapping[str, LayoutRevision], Callable[[], None]], object]
    """Tries the configuration with another layout of a camera; where it can be used, calls what keeps it, and goes
    over to it."""


class Commissioner:
    """Carries out the commands that lay cameras out. Owned by the agent's thread."""

    def __init__(self, parts: AgentParts) -> None:
        """Keep the parts that it uses."""
        self._parts = parts

    @property
    def handlers(self) -> dict[str, Callable[[Any], Any]]:
        """The handlers by the command's name."""
        return {
            "layout": self._read,
            "find-labels": self._find,
            "set-layout": self._set,
            "restore-layout": self._restore,
        }

    def _read(self, command: ReadLayout) -> dict[str, Any]:
        section, slots = self._parts.section(command.camera), self._parts.slots(command.camera)
        history = self._file(section).read() if section.layout else ()
        layout = history[-1].layout if history else self._configured(section, slots)
        curve = [(point.side_px, point.accuracy.value) for point in sorted(self._parts.curve(), key=_by_side)]
        return {
            "revision": history[-1].revision if history else 0,
            "layout": layout.model_dump(mode="json") if layout else None,
            "writable": section.layout is not None,
            "history": _history_lines(history),
            "prospects": self._prospects(slots, layout) if layout else [],
            "curve": curve,
        }

    def _find(self, command: FindLabels) -> Callable[[], dict[str, Any]]:
        captured, picture = self._parts.shown(command.camera)
        return partial(_labels_in, picture, captured, command)

    def _set(self, command: SetLayout) -> dict[str, Any]:
        section, history = self._held(command.camera, command.based_on)
        if wrong := wrong_outline(command.layout):
            raise ConfigError(wrong)
        _, picture = self._parts.newest(command.camera)
        if misfit := other_shape(command.layout.picture_size, *picture.size):
            raise ConfigError(f"camera '{command.camera}': {misfit}")
        file, number = self._file(section), _next(history)
        if command.keep_view and (unfit := self._parts.why_unfit(command.camera, picture)):
            raise KardusError(
                f"camera '{command.camera}': its picture can't be the commissioning picture ({unfit}): save the layout "
                "once it can"
            )
        view = file.write_view(number, _view(picture, command.layout)) if command.keep_view else ""
        try:
            self._keep(
                command.camera,
                file,
                LayoutRevision(revision=number, by=command.by, at=datetime.now(UTC), view=view, layout=command.layout),
            )
        except KardusError:
            if all(kept.revision != number for kept in file.read()):
                file.remove_view(view)  # else it is kept, and only what comes after that has failed
            raise
        return self._read(ReadLayout(camera=command.camera))

    def _restore(self, command: RestoreLayout) -> dict[str, Any]:
        section, history = self._held(command.camera, command.based_on)
        former = next((one for one in history if one.revision == command.revision), None)
        if former is None:
            kept = ", ".join(str(one.revision) for one in history) or "none"
            raise KardusError(f"revision {command.revision} of camera '{command.camera}' isn't kept: {kept} are")
        changed = {"revision": _next(history), "by": command.by, "at": datetime.now(UTC), "restored": command.revision}
        self._keep(command.camera, self._file(section), former.model_copy(update=changed))
        return self._read(ReadLayout(camera=command.camera))

    def _keep(self, camera: str, file: LayoutFile, revision: LayoutRevision) -> None:
        """Try it; where it can be used it is kept, and holds."""
        self._parts.go_over({camera: revision}, lambda: file.add(revision))

    def _held(self, camera: str, based_on: int) -> tuple[CameraSection, tuple[LayoutRevision, ...]]:
        """The revision that is used, where it is the one that somebody has changed."""
        section = self._parts.section(camera)
        if section.layout is None:
            raise ConfigError(
                f"camera '{camera}' can't be laid out from here: its configuration must allow it, "
                'with layout = "NAME.json" in [[cameras]]'
            )
        history = self._file(section).read()
        holds = history[-1].revision if history else 0
        if holds != based_on:
            who = f" by {history[-1].by}" if history and history[-1].by else ""
            raise KardusError(
                f"camera '{camera}' was laid out anew meanwhile{who} (revision {holds}, yours was {based_on}): "
                "load it again"
            )
        return section, history

    def _file(self, section: CameraSection) -> LayoutFile:
        return LayoutFile(self._parts.data_dir, section.layout or "")

    def _configured(self, section: CameraSection, slots: Sequence[Slot]) -> Layout | None:
        """What the configuration's own file says, in pixels of the newest picture; None: it has no locations."""
        if not slots:
            return None
        _, picture = self._parts.newest(section.name)
        places: dict[str, list[Any]] = {}
        for slot in slots:
            places.setdefault(slot.location, []).append(_inside(slot.in_pixels(*picture.size), picture.size))
        size = slots[0].size
        mask = tuple(_inside(area, picture.size) for area in areas_of(section, *picture.size, size))
        most = max(map(len, places.values()))
        if len(places) > MAX_CAMERA_LOCATIONS or most > MAX_FACINGS or len(mask) > MAX_AREAS:
            raise ConfigError(f"camera '{section.name}' has too much in its picture to be laid out over MQTT")
        located = tuple(PlacedLocation(id=code, facings=tuple(facings)) for code, facings in places.items())
        return Layout(picture_size=picture.size, locations=located, mask=mask)

    def _prospects(self, slots: Sequence[Slot], layout: Layout) -> list[dict[str, Any]]:
        curve = self._parts.curve()
        size = layout.picture_size
        return [asdict(expected_accuracy(curve, slot.location, slot.facing, slot.in_pixels(*size))) for slot in slots]


def _labels_in(picture: Image.Image, captured: datetime, command: FindLabels) -> dict[str, Any]:
    """What the labels in a picture propose. Takes seconds."""
    found = propose(find_labels(picture), picture, command.side)
    return {
        "captured": captured.isoformat(),
        "picture_size": list(picture.size),
        "proposals": [{"id": one.code, "corners": _inside(one.corners, picture.size)} for one in found.proposals],
        "remarks": list(found.remarks),
    }


def _inside(corners: Float64Array, size: tuple[int, int]) -> Any:
    """Corners (n, 2) of a picture of this width and height, as lists."""
    return np.clip(corners, 0, size).round(1).tolist()


def _history_lines(history: Sequence[LayoutRevision]) -> list[dict[str, Any]]:
    """The revisions, the newest first, with what each has changed."""
    before = [None, *(one.layout for one in history)]
    return [
        {**one.model_dump(mode="json", include={"revision", "by", "at", "restored"}), **changes(earlier, one.layout)}
        for one, earlier in zip(reversed(history), reversed(before[:-1]), strict=True)
    ]


def _next(history: Sequence[LayoutRevision]) -> int:
    return history[-1].revision + 1 if history else 1


def _view(picture: Image.Image, layout: Layout) -> bytes:
    """The commissioning picture as JPEG, without what is masked."""
    areas = [np.array(area, dtype=np.float64) / layout.picture_size for area in layout.mask]
    jpeg = io.BytesIO()
    Mask(areas).hide(picture).save(jpeg, "JPEG", quality=VIEW_QUALITY, subsampling=0)
    return jpeg.getvalue()


def _by_side(point: PixelAccuracy) -> int:
    return point.side_px
