"""The `kardus-agent simulate` commands."""

from pathlib import Path
from typing import Annotated

import typer

from kardus.support.console import err, new_app, out
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target, require_new_folder
from simulator.dataset import write_dataset, write_unknown
from simulator.long_script import long_script
from simulator.pictures import pictures_of
from simulator.recording import write_shelf
from simulator.scene import Rack
from simulator.script import MIN_LOCATIONS, demo_script, read_script, write_script
from simulator.shelf import Shelf

app = new_app("Draw photos, scripts and shelves, in place of cameras and data sets.")

SeedOption = Annotated[int, typer.Option(min=0, help="Another seed draws other pictures.")]
PhotosOption = Annotated[
    Path | None, typer.Option(help="Folder with one sub-folder of photos for each class, in place of drawn cartons.")
]
PatternOption = Annotated[str, typer.Option(help="Which of these photos, by file name, such as 'val_*'.")]
UnknownOption = Annotated[Path | None, typer.Option(help="Folder with photos of things that are no known product.")]
LevelsOption = Annotated[int, typer.Option(min=1, max=10, help="Levels of the rack.")]
PositionsOption = Annotated[int, typer.Option(min=1, max=20, help="Positions on each level.")]


@app.command("dataset")
def dataset_command(
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    seed: SeedOption = 0,
    train: Annotated[int, typer.Option(min=2, help="Photos of each class to train on.")] = 30,
    val: Annotated[int, typer.Option(min=0, help="Photos of each class to measure on.")] = 10,
    unknown: Annotated[int, typer.Option(min=0, help="Photos of unknown cartons, into FOLDER-unknown.")] = 0,
) -> None:
    """Draw a labelled data set: the founding study's shape (14 classes) and the empty location."""
    for path in (folder, folder.with_name(folder.name + "-unknown")):
        require_new_folder("FOLDER", path)
    with err.status("Drawing photos"):
        count = write_dataset(folder, seed, train, val)
        if unknown:
            write_unknown(folder.with_name(folder.name + "-unknown"), seed, unknown)
    out.print(f"{count} photos written to {folder}", soft_wrap=True)


@app.command("script")
def script_command(
    file: Annotated[Path, typer.Argument(help="The script to write (JSON).")],
    seed: SeedOption = 0,
    levels: LevelsOption = 3,
    positions: PositionsOption = 5,
    frames: Annotated[int, typer.Option(min=20, help="Frames of the whole script.")] = 60,
    faults: Annotated[
        int | None,
        typer.Option(
            min=1, help="Write a long script with so many faults, each put right, and every trouble of a camera."
        ),
    ] = None,
    photos: PhotosOption = None,
    pattern: PatternOption = "*",
) -> None:
    """Write a script with every kind of fault, to be edited and played."""
    require_file_target("FILE", file)
    rack = _rack(levels, positions)
    stock = pictures_of(photos, None, pattern).stock()
    locations = [slot.location for slot in rack.slots()]
    played = long_script(locations, stock, seed, faults) if faults else demo_script(locations, stock, seed, frames)
    write_script(file, played)
    out.print(f"Script written to {file}", soft_wrap=True)


@app.command("shelf")
def shelf_command(
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    script: Annotated[
        Path | None, typer.Option(help="The script to play; by default the demo's, drawn from the seed.")
    ] = None,
    seed: SeedOption = 0,
    levels: LevelsOption = 3,
    positions: PositionsOption = 5,
    photos: PhotosOption = None,
    pattern: PatternOption = "*",
    unknown: UnknownOption = None,
    interval: Annotated[float, typer.Option(min=0.001, max=86_400, help="Seconds from one frame to the next.")] = 1.0,
) -> None:
    """Render a script: a recording (1920 x 1080 JPEG), truth.jsonl, expected.csv, camera.toml (of a configuration)."""
    require_new_folder("FOLDER", folder)
    rack = _rack(levels, positions)
    pictures = pictures_of(photos, unknown, pattern)
    played = read_script(script) if script else demo_script([s.location for s in rack.slots()], pictures.stock(), seed)
    with err.status("Rendering frames"):
        write_shelf(folder, Shelf(rack, pictures, played, str(script or "the script")), interval)
    out.print(f"{played.frames} frames written to {folder}", soft_wrap=True)


def _rack(levels: int, positions: int) -> Rack:
    if levels * positions < MIN_LOCATIONS:
        raise UsageError(f"--levels {levels} --positions {positions}: a shelf needs {MIN_LOCATIONS} locations or more")
    return Rack(levels=levels, positions=positions)
