"""`kardus-wms labels`: what people have said of pictures, as a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kardus.support.console import err, new_app, out, print_json
from warehouse.cli.with_database import with_database
from warehouse.store.cli import DatabaseOption, DatabasePasswordOption, PicturesOption

if TYPE_CHECKING:
    from warehouse.teaching.training_set import ExportedTrainingSet

app = new_app("What people have said of pictures: a data set to train on, or a request for a new product.")


@app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="Is made: a data set for kardus-train.")],
    database: DatabaseOption,
    database_password_file: DatabasePasswordOption = None,
    pictures: PicturesOption = "",
    classes: Annotated[
        Path | None, typer.Option(help="classes.csv of the data set that it is to stand beside, taken over.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the labels that stand, each with its crop: whole, or not at all."""
    from warehouse.store.pictures import PictureStore  # noqa: PLC0415 - see the package
    from warehouse.store.places import pictures_of  # noqa: PLC0415 - see the package
    from warehouse.teaching.training_set import export_training_set  # noqa: PLC0415 - see the package

    found = with_database(
        database,
        database_password_file,
        lambda opened: export_training_set(opened, PictureStore(pictures or pictures_of(opened)), folder, classes),
    )
    if as_json:
        print_json(vars(found))
        return
    for line in _export_summary(folder, found):
        out.print(line, soft_wrap=True)


@app.command("request")
def request_command(
    folder: Annotated[Path, typer.Argument(help="Is made: carry it to who has the key.")],
    database: DatabaseOption,
    sku: Annotated[str, typer.Option(help="The new product.")],
    name: Annotated[str, typer.Option(help="Its class; by default the product.")] = "",
    event: Annotated[
        list[str] | None,
        typer.Option(help="Whose picture is sent; again for others. By default the newest that show the product."),
    ] = None,
    database_password_file: DatabasePasswordOption = None,
    pictures: PicturesOption = "",
) -> None:
    """Ask for a new product to be enrolled, by crops labelled as it; kardus-export answer does so, and signs."""
    from kardus.contract.enrolment import MIN_ADVISED_PHOTOS  # noqa: PLC0415 - see the package
    from warehouse.store.pictures import PictureStore  # noqa: PLC0415 - see the package
    from warehouse.store.places import pictures_of  # noqa: PLC0415 - see the package
    from warehouse.teaching.requesting import request_enrolment  # noqa: PLC0415 - see the package

    found = with_database(
        database,
        database_password_file,
        lambda opened: request_enrolment(
            opened, PictureStore(pictures or pictures_of(opened)), folder, sku, name=name, events=event or ()
        ),
    )
    out.print(f"{folder}: {len(found.photos)} photos of '{found.name}'", soft_wrap=True, highlight=False)
    if len(found.photos) < MIN_ADVISED_PHOTOS:
        err.print(f"warning: {MIN_ADVISED_PHOTOS} photos or more are better: label more of them", highlight=False)


def _export_summary(folder: Path, found: "ExportedTrainingSet") -> list[str]:
    lines = [f"{folder}: {found.photos} photos, {found.strangers} of what is none of our products"]
    if found.faceless:
        lines.append(f"{found.faceless} are proposals: the product has several classes: fill in name in labels.csv")
    if found.without_picture:
        lines.append(f"{found.without_picture} labels have no picture: they are left out")
    if found.unlisted:
        lines.append(f"not in the classes, taken as new: {', '.join(found.unlisted)}")
    return lines
