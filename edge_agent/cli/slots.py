"""The `kardus-agent slots` commands: from a camera on a rack to the slots of its configuration."""

import io
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageDraw, ImageFont
from pydantic import TypeAdapter, ValidationError

from edge_agent.cameras import open_camera_source
from edge_agent.cli.arguments import ConfigArgument
from edge_agent.commissioning.layout import as_toml, curve_provenance, expected_accuracy, grid
from edge_agent.commissioning.outlines import FoundLabels, LabelSide, propose
from edge_agent.config import Config, load_config
from edge_agent.config.cameras import CameraSection, Corners
from edge_agent.seeing.commissioned import Commissioned, other_shape
from edge_agent.seeing.mask import area_outside, areas_of
from edge_agent.seeing.slots import Slot, outside, slots_of
from kardus.codes.labels import find_labels
from kardus.inference.bundle import read_bundle
from kardus.inference.geometry import Float64Array
from kardus.inference.part_decoded import whole_of
from kardus.inference.preprocess import read_picture
from kardus.support.console import err, new_app, out, print_json, print_result, table_of
from kardus.support.errors import DataError, UsageError
from kardus.support.files import require_file_target, write_whole
from kardus.support.spelling import composed

app = new_app("Take the commissioning picture, lay out the slots, draw them, and say what they can expect.")

CameraOption = Annotated[str, typer.Option("--camera", help="Which camera; needed where there are several.")]
PictureOption = Annotated[Path | None, typer.Option("--picture", help="A picture to use in place of one taken now.")]
_COLOUR = (46, 160, 67)
_MASK = (110, 60, 160)
_ATTEMPTS = 5


@app.command("snapshot")
def snapshot_command(
    config: ConfigArgument,
    target: Annotated[Path, typer.Option("--out", help="The picture to write (PNG).")],
    camera: CameraOption = "",
    empty: Annotated[bool, typer.Option("--empty", help="The rack is without stock: the empty picture.")] = False,
) -> None:
    """Take the commissioning picture of a camera, and say which key it belongs to."""
    require_file_target("--out", target)
    section = _camera(load_config(config), camera)
    picture = _take(section)
    png = io.BytesIO()
    picture.save(png, "PNG")
    write_whole(target, png.getvalue())
    key = "empty_picture" if empty else "reference"
    out.print(f"{picture.width} x {picture.height} pixels written to {target}", soft_wrap=True)
    out.print(f'in [[cameras]] "{section.name}" write: {key} = "{target}"', soft_wrap=True)
    if not empty and section.units == "pixels":
        size = f"picture_size = [{picture.width}, {picture.height}]"
        out.print(f"and, with the corners laid out in it: {size}", soft_wrap=True)


@app.command("grid")
def grid_command(
    outline: Annotated[
        str,
        typer.Option(help="Corners of the whole, as in the configuration: '[[x, y], [x, y], [x, y], [x, y]]'."),
    ],
    levels: Annotated[int, typer.Option(min=1, max=50, help="Levels of the rack.")],
    positions: Annotated[int, typer.Option(min=1, max=100, help="Positions on each level.")],
    code: Annotated[
        str, typer.Option(help="The locations' codes, with {level} and {position} in them.")
    ] = "A-01-{level}-{position:02}",
    gap: Annotated[float, typer.Option(min=0, max=0.9, help="Share of a cell between neighbours.")] = 0.1,
) -> None:
    """Print the [[cameras.locations]] tables of a regular rack, level 1 lowest, position 1 leftmost."""
    try:
        corners = TypeAdapter(Corners).validate_json(outline)
        out.print(as_toml(grid(corners, levels, positions, code, gap)), soft_wrap=True, highlight=False)
    except ValidationError as error:
        raise UsageError(f"--outline {outline}: {error.errors()[0]['msg']}: give four corners, clockwise") from error
    except ValueError as error:
        raise UsageError(f"--code {error}") from error


@app.command("find")
def find_command(
    picture: Annotated[Path, typer.Argument(help="A picture of the rack, in the camera's full resolution.")],
    labels: Annotated[
        LabelSide, typer.Option("--labels", help="Where a label sticks: below the opening of its location, or above.")
    ] = "below",
    codes: Annotated[
        str, typer.Option(help="Regular expression of the locations' codes; by default the form that most labels have.")
    ] = "",
    drawing: Annotated[Path | None, typer.Option("--out", help="Draw what was found into this picture (PNG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a rack's labels in a picture, print the tables of its locations, and say which are unread."""
    if drawing:
        require_file_target("--out", drawing)
    pixels = read_picture(picture)
    with err.status("Reading labels"):
        found = propose(find_labels(pixels, _codes(codes)), pixels, labels)
    if drawing:
        png = io.BytesIO()
        slots = [Slot(one.code or "?", one.corners, in_shares=False) for one in found.proposals]
        _drawn(pixels, tuple(slots), []).save(png, "PNG")
        write_whole(drawing, png.getvalue())
    if as_json:
        print_json(_as_record(found, pixels.size))
    elif found.named:
        out.print(f"picture_size = [{pixels.width}, {pixels.height}]", highlight=False)
        out.print(as_toml(found.named), soft_wrap=True, highlight=False)
    for remark in found.remarks:
        err.print(f"note: {remark}", highlight=False, soft_wrap=True)
    if not found.named:
        raise DataError(f"{picture}: no label of a location is read: take it closer or sharper, or give --codes")


@app.command("draw")
def draw_command(
    config: ConfigArgument,
    target: Annotated[Path, typer.Option("--out", help="The picture to write (PNG).")],
    camera: CameraOption = "",
    picture: PictureOption = None,
) -> None:
    """Draw the slots of a camera over its picture, and the areas of its mask."""
    require_file_target("--out", target)
    section = _camera(load_config(config), camera)
    pixels = _picture(section, picture)
    png = io.BytesIO()
    size = Commissioned(section).size
    slots, areas = slots_of(section, size), areas_of(section, *pixels.size, size)
    _drawn(pixels, slots, areas).save(png, "PNG")
    write_whole(target, png.getvalue())
    of_mask = f" and {len(areas)} masked areas" if areas else ""
    out.print(f"{len(slots)} slots{of_mask} drawn into {target}", soft_wrap=True)


@app.command("check")
def check_command(
    config: ConfigArgument,
    camera: CameraOption = "",
    picture: PictureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what each location can expect of its pixels, by the curve in the bundle, and from which photos that is."""
    settings = load_config(config)
    section = _camera(settings, camera)
    width, height = _picture(section, picture).size
    manifest = read_bundle(settings.model.bundle).manifest if settings.model else None
    curve = manifest.pixels if manifest else ()
    prospects = [
        expected_accuracy(curve, slot.location, slot.facing, slot.in_pixels(width, height))
        for slot in slots_of(section, Commissioned(section).size)
    ]
    rows = (
        (
            found.location,
            "" if found.facing is None else str(found.facing),
            f"{found.side_px} px",
            "not known: the bundle has no curve" if found.accuracy is None else f"{100 * found.accuracy:.0f} %",
            found.advice,
        )
        for found in prospects
    )
    table = table_of(("location", "facing", "shorter side", "right by class", "advice"), rows)
    print_result([asdict(found) for found in prospects], table, as_json=as_json)
    if manifest and curve:
        err.print(f"note: {curve_provenance(manifest)}", highlight=False, soft_wrap=True)


def _codes(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise UsageError(f"--codes {pattern}: {error}: give a regular expression, as in 'A-[0-9-]+'") from error


def _as_record(found: FoundLabels, size: tuple[int, int]) -> dict[str, object]:
    return {
        "picture_size": list(size),
        "locations": [{"id": code, "corners": corners.round(1).tolist()} for code, corners in found.named],
        "unread": [corners.round(1).tolist() for corners in found.unread],
        "remarks": list(found.remarks),
    }


def _camera(config: Config, name: str) -> CameraSection:
    names = [section.name for section in config.cameras]
    if not name and len(names) == 1:
        return config.cameras[0]
    found = [section for section in config.cameras if section.name == composed(name)]
    if not found:
        raise UsageError(f"--camera '{name}': no such camera: one of {', '.join(names)}")
    return found[0]


def _picture(section: CameraSection, given: Path | None) -> Image.Image:
    """A picture in which every slot lies, given or taken now."""
    picture = read_picture(given) if given else _take(section)
    size = Commissioned(section).size
    problem = (
        other_shape(size, *picture.size)
        or outside(slots_of(section, size), *picture.size)
        or area_outside(areas_of(section, *picture.size, size), *picture.size)
    )
    if problem:
        raise DataError(problem)
    return picture


def _take(section: CameraSection) -> Image.Image:
    """A picture of the camera; a stream may need a few attempts."""
    source = open_camera_source(section)
    reason = "it has no picture"
    try:
        with err.status(f"Looking through camera {section.name}"):
            for _, picture in zip(range(_ATTEMPTS), source.pictures(), strict=False):
                if not isinstance(picture, str):
                    return whole_of(picture)
                reason = picture
    finally:
        source.close()
    raise DataError(f"camera '{section.name}': {reason}")


def _drawn(picture: Image.Image, slots: tuple[Slot, ...], areas: list[Float64Array]) -> Image.Image:
    image = picture.copy()
    draw = ImageDraw.Draw(image)
    for area in areas:
        draw.polygon([(float(x), float(y)) for x, y in area], fill=_MASK)
    size = max(12, image.height // 60)
    font = ImageFont.load_default(size)
    for slot in slots:
        corners = slot.in_pixels(image.width, image.height)
        points = [(float(x), float(y)) for x, y in corners]
        draw.line([*points, points[0]], fill=_COLOUR, width=max(2, image.width // 500))
        label = slot.location if slot.facing is None else f"{slot.location} / {slot.facing}"
        where = (float(corners[3][0]) + 6, float(corners[3][1]) - 8 - size)
        draw.rectangle(draw.textbbox(where, label, font=font), fill=(0, 0, 0))
        draw.text(where, label, fill="white", font=font)
    return image
