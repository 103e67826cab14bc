"""What a cloth that hangs in an opening, and covers nothing beside it, is taken for: python -m tests.scripts.cloth.

The rack, model and line of `tests.scripts.light`; in three of 15 locations that match a cloth hangs from 20 s on, over
all of the opening or the upper 60 % of it, in seven colours with folds. Counted are their verdicts 50 s later. `--only
COLOUR` plays one colour.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from edge_agent.models.load import load_model
from edge_agent.replay.player import Player
from kardus.inference.geometry import homography, project, rectangle
from simulator.pictures import DrawnPictures
from simulator.recording import CAMERA
from simulator.scene import Rack
from simulator.shelf import Shelf
from tests.scripts import light

COLOURS = {
    "grey": (120, 120, 125),
    "white": (225, 225, 220),
    "blue": (40, 60, 150),
    "brown": (120, 85, 50),
    "black": (30, 30, 32),
    "red": (170, 40, 40),
    "green": (50, 120, 60),
}
REACHES = (1.0, 0.6)
"""How far down the cloth hangs, as shares of the opening."""
HUNG = slice(2, None, 5)
"""In the third opening of each level."""
FRAME, FOLDS = 0.04, 0.22
"""What stays free at an opening's edges, and by how much folds are lighter and darker, as shares."""
UNTIL_S = 70.0


def cloth(rack: Rack, colour: tuple[int, int, int], reach: float) -> light.Look:
    """It hangs in some openings."""

    def look(picture: light.Picture, _: float) -> light.Picture:
        hung = picture.copy()
        rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
        for slot in rack.slots()[HUNG]:
            to_unit = homography(np.asarray(slot.corners) / 2, rectangle(0, 0, 1, 1))
            points = np.stack([columns, rows], -1).reshape(-1, 2).astype(float)
            place = project(to_unit, points).reshape(*picture.shape[:2], 2)
            inside = ((place > FRAME) & (place < 1 - FRAME)).all(-1) & (place[..., 1] < reach)
            folds = 1 + FOLDS * np.sin(place[..., 0] * 23 + 3 * np.sin(place[..., 1] * 4))
            hung[inside] = (np.array(colour, np.float32) * folds[..., None].astype(np.float32))[inside]
        return hung

    return look


def hang(colour: tuple[int, int, int], reach: float, seed: int) -> Counter[str]:
    """The verdicts in the end where it hangs."""
    rack = Rack(levels=3, positions=5)
    places = [slot.location for slot in rack.slots()]
    scene = light.Scene(cloth(rack, colour, reach))
    shelf = Shelf(rack, DrawnPictures(), light.script(scene, places, seed))
    with tempfile.TemporaryDirectory() as work:
        config = light.config(rack, Path(work), doubt_s=24.0)
        assert config.model
        player = Player(config, {CAMERA: True}, load_model(config.model))
        for moment in light.moments(shelf, scene):
            if moment.at_s > UNTIL_S:
                break
            player.play(moment)
    return Counter(player.states[place].verdict.value for place in places[HUNG])


def main() -> None:
    """Print a line for each colour and reach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for reach in REACHES:
        for name, colour in COLOURS.items():
            if asked.only in name:
                print(f"{reach:.0%} {name}: {dict(hang(colour, reach, asked.seed))}", flush=True)


if __name__ == "__main__":
    main()
