"""A drawn rack that plays a script, in place of a camera."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Protocol

from PIL import Image

from kardus.support.errors import KardusError
from simulator.pictures import Pictures, pictures_of
from simulator.scene import Rack
from simulator.script import ChangeKind, Script, demo_script, read_script
from simulator.shelf import Shelf

NO_PICTURE = "the camera doesn't answer: its script says so"


class ShelfSettings(Protocol):
    """Which shelf is played: a `simulated` source of the agent's configuration."""

    @property
    def levels(self) -> int:
        """Of the rack."""

    @property
    def positions(self) -> int:
        """On each level."""

    @property
    def bay(self) -> int:
        """The rack's number; part of its locations' codes."""

    @property
    def photos(self) -> Path | None:
        """Photos to place on the shelf, one folder a class; None: drawn cartons."""

    @property
    def unknown(self) -> Path | None:
        """Photos of what is no product."""

    @property
    def pattern(self) -> str:
        """Which files of those folders are photos."""

    @property
    def script(self) -> Path | None:
        """What happens; None: the demo's script."""

    @property
    def seed(self) -> int:
        """Of that script."""

    @property
    def live(self) -> bool:
        """Whether it plays a camera that shows what is there now."""

    @property
    def again(self) -> int:
        """How many more times the last picture is shown."""


class SimulatedCamera:
    """Plays the shelf that the configuration describes. Ends after the script's last frame."""

    def __init__(self, settings: ShelfSettings) -> None:
        """Keep the settings; the shelf is drawn when the pictures are asked for."""
        self._settings = settings
        self.live = settings.live

    def pictures(self) -> Iterator[Image.Image | str]:
        """Every frame of the script, or why it can't be played."""
        try:
            shelf = open_shelf(self._settings)
            for number in range(shelf.script.frames):
                trouble = shelf.script.spoiled(number)
                dead = trouble is not None and trouble.kind is ChangeKind.DEAD
                shown = NO_PICTURE if dead else Image.fromarray(shelf.frame(number))
                yield shown
            yield from repeat(shown, self._settings.again)
        except KardusError as error:
            yield str(error)

    def close(self) -> None:
        """Holds nothing."""


def open_shelf(settings: ShelfSettings) -> Shelf:
    """The shelf of a simulated source: rack, pictures and script.

    Raises:
        DataError: the script or the photos cannot be read.
    """
    rack = Rack(levels=settings.levels, positions=settings.positions, bay=settings.bay)
    pictures = pictures_of(settings.photos, settings.unknown, settings.pattern)
    return Shelf(rack, pictures, _script(settings, rack, pictures), str(settings.script or "the script"))


def _script(settings: ShelfSettings, rack: Rack, pictures: Pictures) -> Script:
    if settings.script:
        return read_script(settings.script)
    return demo_script([slot.location for slot in rack.slots()], pictures.stock(), settings.seed)
