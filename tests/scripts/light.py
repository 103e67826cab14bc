"""What another light, another camera mode and many true changes come to: python -m tests.scripts.light [--guard off].

A drawn rack of 15 locations (or 3), the demo's model, no commissioning picture, the agent's own line on a clock of its
own: a picture of 960 x 540 every 2 s, refresh after 40 s. After 20 s something happens, and lasts. Counted are alerts
that were told of locations that are right, true changes that were told, and how late. `--guard off` plays the same
without the check of colours, their correction and the doubt. `--only WORD` plays some.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from edge_agent.config import Config, load_config
from edge_agent.config.sections import ViewSection
from edge_agent.models.load import load_model
from edge_agent.records import ExpectedMessage, Frame
from edge_agent.replay.player import Player
from edge_agent.replay.recorded import ReplayedInput
from edge_agent.seeing.camera_view import CameraView
from kardus.contract.messages import Expected
from kardus.contract.verdicts import ALERTS, Verdict
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures
from simulator.recording import CAMERA, camera_toml
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf
from tests.scripts.steps import percent
from train.evaluation.metrics import proportion

Picture = NDArray[np.float32]
"""(height, width, 3), levels from 0."""
Look = Callable[[Picture, float], Picture]
"""What a picture looks like, so many seconds after it began."""
EVERY_S, BEGINS_S, LASTS_S = 2.0, 20.0, 110.0
REFRESH_S = 40.0
BEGAN = datetime(2026, 1, 5, 6, tzinfo=UTC)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
NOISES = 4
JUMPS, EDGES, EDGE_PX = (1.8, 2.2, 2.6), (0.3, 0.5, 0.7), 12
"""Of light: how far an exposure jumps, where an edge falls (shares of the width), and how wide it is blurred."""
GONE = 8
PASSES_S = 40.0
"""A light that passes lasts longer than anything waits for it."""


def gains(red: float, green: float, blue: float) -> Look:
    """A gain for each channel's levels."""
    return lambda picture, _: picture * np.array([red, green, blue], np.float32)


def grey(picture: Picture, _: float = 0.0) -> Picture:
    """Night mode."""
    return np.repeat((picture @ LUMA)[..., None], 3, axis=2)


def pink(picture: Picture, _: float) -> Picture:
    """An infrared filter that is stuck half way."""
    return (0.3 * picture + 0.7 * grey(picture)) * np.array([1.15, 0.85, 1.1], np.float32)


def while_true(look: Look, when: Callable[[float], bool]) -> Look:
    """A look that comes and goes."""
    return lambda picture, t_s: look(picture, t_s) if when(t_s) else picture


def sunset(picture: Picture, t_s: float) -> Picture:
    """30 % warmer and 40 % darker in the end, as through a window."""
    share = min(1.0, t_s / 100)
    return gains(1 + 0.3 * share, 1.0, 1 - 0.3 * share)(picture, 0) * np.float32(1 - 0.4 * share)


def in_half(look: Look) -> Look:
    """On the right side alone."""

    def change(picture: Picture, t_s: float) -> Picture:
        half = picture.shape[1] // 2
        return np.concatenate([picture[:, :half], look(picture[:, half:], t_s)], axis=1)

    return change


def jacket(picture: Picture, _: float) -> Picture:
    """Somebody in red stands before a third of the view."""
    covered = picture.copy()
    covered[:, : picture.shape[1] // 3] = (190, 20, 30)
    return covered


def curve(exponent: float) -> Look:
    """Another gamma."""

    def bend(picture: Picture, _: float) -> Picture:
        bent: Picture = np.power(picture.clip(0, 255) / 255, exponent).astype(np.float32)
        return 255 * bent

    return bend


def hdr(picture: Picture, _: float) -> Picture:
    """Shadows are lifted, and local contrast with them."""
    lifted = curve(0.7)(picture, 0)
    image = Image.fromarray(lifted.clip(0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.UnsharpMask(12, 60, 0)), np.float32)


def fog(picture: Picture, t_s: float) -> Picture:
    """The lens fogs over, slowly."""
    share = np.float32(min(0.6, 0.006 * t_s))
    return picture * (1 - share) + 200 * share


def writing(picture: Picture, _: float) -> Picture:
    """The camera writes its menu over everything."""
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for row in range(40, image.height, 120):
        draw.text((60, row), "MENU  EXPOSURE  AUTO  12:00:00  " * 4, fill=(255, 255, 255), font_size=40)
    return np.asarray(image, np.float32)


def reflection(picture: Picture, _: float) -> Picture:
    """The sun on a wrapped pallet: a sixth of the view is white."""
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    width, height = image.size
    ImageDraw.Draw(image).ellipse((0.3 * width, 0.2 * height, 0.7 * width, 0.75 * height), fill=(255, 255, 255))
    return np.asarray(image, np.float32)


def lit_to(edge: float, gain: float) -> Look:
    """A straight edge of light, a little blurred: what is left of it, by share of the width, is brighter or darker."""

    def change(picture: Picture, _: float) -> Picture:
        width = picture.shape[1]
        places = np.arange(width, dtype=np.float32)
        share = ((edge * width - places) / EDGE_PX + 0.5).clip(0, 1)
        lit: Picture = picture * (1 + np.float32(gain - 1) * share)[None, :, None].astype(np.float32)
        return lit

    return change


def sunbeam(gain: float) -> Look:
    """The sun shines aslant through a gap: a stripe a tenth of the width, over every level."""

    def change(picture: Picture, _: float) -> Picture:
        height, width = picture.shape[:2]
        places = np.arange(width)[None, :] - np.arange(height)[:, None] * 0.5
        inside = np.abs(places - 0.35 * width) < 0.05 * width
        lit: Picture = picture * np.where(inside, np.float32(gain), np.float32(1))[..., None]
        return lit

    return change


def same(picture: Picture, _: float) -> Picture:
    """Nothing."""
    return picture


@dataclass(frozen=True)
class Scene:
    """What happens."""

    look: Look = same
    changes: int = 0
    """So many locations really change, 10 s after it began."""
    kind: ChangeKind = ChangeKind.REMOVE
    levels: int = 3
    white: bool = False
    """Milk cartons everywhere."""


def _passes(t_s: float) -> bool:
    return t_s < PASSES_S


def _passing() -> dict[str, Look]:
    """Lights that come and go."""
    return {
        "a light's edge at 50 %, x 1.8": lit_to(0.5, 1.8),
        "a light's edge at 70 %, x 2.6": lit_to(0.7, 2.6),
        "the sun through a gap, x 2.5": sunbeam(2.5),
        "exposure jumps x 2.6": gains(2.6, 2.6, 2.6),
        "a reflection": reflection,
        "HDR": hdr,
    }


def scenes() -> dict[str, Scene]:
    """All of them, by name."""
    found = {"nothing": Scene()}
    for share in (0.05, 0.1, 0.2, 0.3, 0.4):
        found[f"warm cast {share:.0%}"] = Scene(gains(1 + share, 1, 1 - share))
        found[f"cold cast {share:.0%}"] = Scene(gains(1 - share, 1, 1 + share))
        found[f"green cast {share:.0%}"] = Scene(gains(1 - share / 2, 1 + share / 2, 1 - share / 2))
    dim, bright, warm = gains(0.35, 0.35, 0.35), gains(1.4, 1.4, 1.4), gains(1.2, 1, 0.8)
    return found | {
        "exposure x 0.35": Scene(dim),
        "exposure x 1.4": Scene(bright),
        **{f"exposure jumps x {gain}": Scene(gains(gain, gain, gain)) for gain in JUMPS},
        **{f"a shadow's edge at {edge:.0%}, x 0.5": Scene(lit_to(edge, 0.5)) for edge in EDGES},
        **{f"a light's edge at {edge:.0%}, x 1.8": Scene(lit_to(edge, 1.8)) for edge in EDGES},
        "the sun through a gap, x 1.8": Scene(sunbeam(1.8)),
        "the sun through a gap, x 2.5": Scene(sunbeam(2.5)),
        "8 emptied as the exposure jumps x 1.8": Scene(gains(1.8, 1.8, 1.8), changes=GONE),
        "8 emptied beside a light's edge, x 1.8": Scene(lit_to(0.5, 1.8), changes=GONE),
        **{f"{name}, for {PASSES_S:.0f} s": Scene(while_true(look, _passes)) for name, look in _passing().items()},
        "sunset": Scene(sunset),
        "night mode for 60 s": Scene(while_true(grey, lambda t: t < 60)),
        "day and night every 20 s": Scene(while_true(grey, lambda t: t % 40 < 20)),
        "a pink picture": Scene(pink),
        "flicker of 25 %": Scene(lambda p, t: p * np.float32(1.25 if t % 4 < 2 else 0.75)),
        "white balance hunts, 25 %": Scene(
            lambda p, t: gains(1.25, 1, 0.75)(p, t) if t % 20 < 10 else gains(0.75, 1, 1.25)(p, t)
        ),
        "one lamp out": Scene(in_half(dim)),
        "daylight on one half, 30 %": Scene(in_half(gains(0.7, 1, 1.3))),
        "milk alone, warm cast 20 %": Scene(warm, white=True),
        "milk alone, night mode": Scene(grey, white=True),
        "a red jacket before a third": Scene(jacket),
        "three locations, night mode": Scene(grey, levels=1),
        "three locations, warm cast 20 %": Scene(warm, levels=1),
        "8 emptied at once": Scene(changes=GONE),
        "8 emptied in a warm cast 20 %": Scene(warm, changes=GONE),
        "8 exchanged at once": Scene(changes=GONE, kind=ChangeKind.WRONG_VARIANT),
        "three locations, all emptied": Scene(changes=3, levels=1),
        "gamma 0.6": Scene(curve(0.6)),
        "gamma 1.6": Scene(curve(1.6)),
        "HDR": Scene(hdr),
        "mirrored": Scene(lambda p, _: p[:, ::-1]),
        "upside down": Scene(lambda p, _: p[::-1, ::-1]),
        "a reflection": Scene(reflection),
        "the lens fogs over": Scene(fog),
        "the camera's menu": Scene(writing),
    }


@dataclass
class Outcome:
    """What was told."""

    locations: int
    false: set[str] = field(default_factory=set)
    """Locations that were right, and had an alert."""
    changed: int = 0
    late_s: list[float] = field(default_factory=list)
    """Of each true change that was told: how late."""
    stale: bool = False
    reasons: set[str] = field(default_factory=set)
    ended: Counter[str] = field(default_factory=Counter)
    """The verdicts in the end."""


def play(scene: Scene, seed: int, work: Path, *, guarded: bool = True) -> Outcome:
    """Play a scene on one rack."""
    rack = Rack(levels=scene.levels, positions=5 if scene.levels > 1 else 3)
    places = [slot.location for slot in rack.slots()]
    shelf = Shelf(rack, DrawnPictures(), script(scene, places, seed))
    configured = config(rack, work, doubt_s=ViewSection().doubt_s if guarded else 0.0)
    assert configured.model
    if not guarded:
        setattr(CameraView, "_with_colours", lambda _, view, __: view)  # noqa: B010 - as it was before
    player = Player(configured, {CAMERA: True}, load_model(configured.model))
    skus, outcome = shelf.skus(), Outcome(len(places))
    wrong = {p for p in places if shelf.script.truth(1, skus)[p] in ALERTS}
    for moment in moments(shelf, scene):
        for change in player.play(moment):
            location, verdict = change.finding.location, change.finding.verdict
            since_s = moment.at_s - BEGINS_S - 10
            if verdict is Verdict.STALE:
                outcome.stale = True
                outcome.reasons.add(change.finding.reason.partition(":")[0])
            if verdict in ALERTS and location in wrong and since_s >= 0:
                outcome.late_s.append(since_s)
                wrong.discard(location)
            elif verdict in ALERTS and shelf.script.truth(int(since_s >= 0), skus)[location] not in ALERTS:
                outcome.false.add(location)
    outcome.changed = len(wrong) + len(outcome.late_s)
    outcome.ended = Counter(state.verdict.value for state in player.states.values())
    return outcome


def script(scene: Scene, places: list[str], seed: int) -> Script:
    """What stands where, what is expected, and what changes."""
    names = [s.name for s in DrawnPictures().stock()]
    names = [name for name in names if name.startswith("Milk")] if scene.white else names
    stock: dict[str, str | None] = {p: names[(seed * 5 + 3 * n) % len(names)] for n, p in enumerate(places)}
    skus = {s.name: s.sku for s in DrawnPictures().stock()}
    expected: dict[str, str | None] = {place: skus[name] if name else None for place, name in stock.items()}
    others = {name: next(o for o in names if skus[o] != skus[name]) for name in names}
    changes = [
        Change(1, scene.kind, place, name="" if scene.kind is ChangeKind.REMOVE else others[str(stock[place])])
        for place in places[: scene.changes]
    ]
    return Script(seed, 2, stock, expected, tuple(changes))


def moments(shelf: Shelf, scene: Scene) -> Iterator[ReplayedInput]:
    """The pictures, a moment each, after what the WMS expects."""
    for location, sku in shelf.script.expected.items():
        payload = Expected(revision=1, sku=sku).model_dump_json().encode()
        yield ReplayedInput(BEGAN, 0.0, ExpectedMessage(location, payload))
    rng = np.random.default_rng(shelf.script.seed)
    stills = [np.asarray(Image.fromarray(shelf.frame(number)).reduce(2), np.float32) for number in (0, 1)]
    noises = rng.normal(0, 2, (NOISES, *stills[0].shape)).astype(np.float32)
    for number in range(int((BEGINS_S + LASTS_S) / EVERY_S)):
        at_s = number * EVERY_S
        still = stills[int(at_s >= BEGINS_S + 10)]
        lit = scene.look(still, at_s - BEGINS_S) if at_s >= BEGINS_S else still
        pixels = (lit.clip(0, 255) + noises[number % NOISES]).clip(0, 255).astype(np.uint8)
        at = BEGAN + timedelta(seconds=at_s)
        yield ReplayedInput(at, at_s, Frame(CAMERA, number + 1, at, at_s, Image.fromarray(pixels)), number)


def config(rack: Rack, work: Path, doubt_s: float) -> Config:
    """The agent's, for the rack."""
    path = work / "agent.toml"
    camera = camera_toml(rack, 'type = "simulated"').replace(
        "interval_s", f"picture_size = [{rack.width_px}, {rack.height_px}]\ninterval_s", 1
    )
    path.write_text(
        f'[agent]\nsite = "light"\nname = "box"\ndata_dir = "{work}/data"\n'
        f'[model]\nbundle = "{DEMO_BUNDLE}"\ntrust = ["{DEMO_KEY.read_text().strip()}"]\n'
        f"[gate]\nrefresh_s = {REFRESH_S}\n[view]\ndoubt_s = {doubt_s}\n" + camera
    )
    return load_config(path)


def main() -> None:
    """Print the table, a line as soon as a scene has been played."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guard", choices=("on", "off"), default="on")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    asked = parser.parse_args()
    print("| what happens | false alerts, of locations | true changes told; after at most | stale | in the end |")
    print("|---|---|---|---|---|", flush=True)
    false = right = 0
    with tempfile.TemporaryDirectory() as work:
        for name, scene in scenes().items():
            if asked.only not in name:
                continue
            played = [play(scene, seed, Path(work), guarded=asked.guard == "on") for seed in asked.seeds]
            wrong, n = sum(len(o.false) for o in played), sum(o.locations for o in played)
            false, right = false + wrong, right + n
            told, changed = [s for o in played for s in o.late_s], sum(o.changed for o in played)
            late = f"{len(told)} of {changed}; {max(told, default=0):.0f} s" if changed else ""
            reasons = ", ".join(sorted(set().union(*(o.reasons for o in played))))
            ended = sum((outcome.ended for outcome in played), Counter[str]())
            verdicts = ", ".join(f"{count} {verdict}" for verdict, count in ended.items())
            print(f"| {name} | {wrong} of {n} | {late} | {reasons} | {verdicts} |", flush=True)
    if right:
        print(f"false alerts in all: {false} of {right}: {percent(proportion('', false, right).model_dump())}")


if __name__ == "__main__":
    main()
