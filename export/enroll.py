"""Enrols and retires products without training and without torch: a new bundle from an earlier one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from PIL import Image

from export.build_time import build_time
from export.bundle_writer import members_of, png, write_bundle
from export.enrolment_views import views_of
from kardus.contract.manifest import Calibration, Changes, ClassInfo, GoldenSample, Manifest, class_name
from kardus.inference.bundle import Bundle
from kardus.inference.classification import MIN_DISTANCE, squared_distances
from kardus.inference.classifier import Classifier, golden_crops
from kardus.inference.enrolled import DOUBT, MARGINS, Margin
from kardus.inference.photo_files import PHOTO_SUFFIXES, hidden_note, left_out_notes, sort_folder
from kardus.inference.preprocess import Pixels, read_converted
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import DataError, UsageError
from kardus.support.files import require_file_target

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Release:
    """File, version and signing keys of a changed bundle."""

    out: Path
    version: str
    keys: Sequence[Ed25519PrivateKey] = ()


@dataclass(frozen=True)
class Enrolled:
    """The result of an enrolment."""

    manifest: Manifest
    nearest: str
    """The nearest known class of another product."""
    confused: int
    """How many of its photos would be classified as another product, leave-one-out."""
    confused_with: str
    """The class that most of them would be classified as; empty where none would."""
    takes: tuple[str, ...]
    """Classes whose own golden sample is now classified as the new product."""
    photos: int
    notes: tuple[str, ...] = ()
    """What of the photos was left out or may be wrong, each a line."""


def enroll(bundle: Bundle, info: ClassInfo, paths: Sequence[Path], release: Release) -> Enrolled:
    """Add a class whose prototype is the mean embedding of views of a few photos, and write the bundle.

    Args:
        bundle: the earlier one.
        info: the new class. What it leaves empty it gets from a class of the same SKU; its category else from the
            nearest class.
        paths: photos of it, one at least, and folders of them; a photo that comes twice counts once.
        release: the new bundle's name, version and keys.

    Raises:
        DataError: a photo can't be read.
        UsageError: the name is taken, there is no photo, or the bundle has no prototypes.
    """
    require_file_target("--out", release.out)
    manifest = bundle.manifest
    _check_name(manifest, info.name)
    if not manifest.prototypes:
        raise UsageError(f"{bundle.source}: has no prototypes to hold a new class against: build it again")
    classifier = Classifier(bundle)
    photos, notes = photos_in(paths)
    crops, doubts = _crops(photos, manifest.input.size)
    of_views = np.stack([classifier.run(views).embedding for views in crops])
    embedding = of_views[:, 0]
    to_known = squared_distances(embedding, np.array(manifest.prototypes, np.float32))
    siblings = [known for known in manifest.classes if known.sku != info.sku] or list(manifest.classes)
    columns = [manifest.classes.index(known) for known in siblings]
    nearest = siblings[int(to_known[:, columns].sum(axis=0).argmin())]
    changes = _changes(bundle, classifier)
    changed = _with_class(manifest, changes, _completed(info, manifest, nearest), of_views)
    clearest = int((to_known.min(axis=1) - squared_distances(embedding, embedding.mean(axis=0)[None])[:, 0]).argmax())
    golden = [*bundle.golden, GoldenSample(file=_file(bundle.golden), label=info.name, top1="", logits=())]
    pictures = [*(bundle.golden_png[sample.file] for sample in bundle.golden), png(crops[clearest, 0])]
    written, filled = _write(bundle, changed, golden, pictures, release)
    others = _confused(embedding, to_known[:, columns], changes, siblings)
    names = [siblings[place].name for place in others]
    return Enrolled(
        written,
        nearest.name,
        len(names),
        max(sorted(set(names)), key=names.count, default=""),
        tuple(sample.label for sample in filled if sample.top1 == info.name != sample.label),
        len(crops),
        notes + doubts,
    )


def _with_class(manifest: Manifest, changes: Changes, info: ClassInfo, of_views: Float32Array) -> Manifest:
    """The manifest with one class more, from the embeddings (n, v, d) of views of its photos."""
    prototype = tuple(round(float(x), 5) for x in of_views.mean(axis=(0, 1)))
    return manifest.model_copy(
        update={
            "classes": (*manifest.classes, info),
            "prototypes": (*manifest.prototypes, prototype),
            "changes": changes.model_copy(update={"enrolled": changes.enrolled | {info.name: len(of_views)}}),
            "calibration": _undoubted(manifest.calibration, info.name),
        }
    )


def _undoubted(calibration: Calibration, name: str) -> Calibration:
    """No doubt threshold for this class: its crops are farther from its few photos, and would always be doubted."""
    lowest = min(calibration.doubt_threshold, calibration.rejection_threshold)
    return calibration.model_copy(update={"doubt_thresholds": calibration.doubt_thresholds | {name: lowest}})


def _completed(info: ClassInfo, manifest: Manifest, nearest: ClassInfo) -> ClassInfo:
    """Fill in what is empty: from another face of the same product, the category else from the nearest class."""
    face = next((known for known in manifest.classes if known.sku == info.sku), None)
    given = {key: value for key, value in info.model_dump().items() if value}
    own = {"gtin": face.gtin, "variant": face.variant, "category": face.category} if face else {}
    return info.model_copy(update={"category": nearest.category} | own | given)


def retire(bundle: Bundle, names: Sequence[str], release: Release) -> Manifest:
    """Take classes out, so that their cartons are unknown from now on, and write the bundle.

    Raises:
        UsageError: a class isn't there, or fewer than two trained ones would stay.
    """
    require_file_target("--out", release.out)
    manifest = bundle.manifest
    names = [class_name(name) for name in names]
    known = [info.name for info in manifest.classes]
    for name in dict.fromkeys(names):
        if name not in known:
            raise UsageError(f"NAME '{name}': no class of {bundle.source}: it knows {', '.join(known)}")
    changes = _changes(bundle, Classifier(bundle))
    kept = [place for place, name in enumerate(known) if name not in names]
    if sum(known[place] in changes.graph_classes for place in kept) < 2:  # noqa: PLR2004
        raise UsageError(f"{bundle.source}: at least two of the classes that it was trained on must stay")
    golden = [sample for sample in bundle.golden if sample.label not in names]
    changed = manifest.model_copy(
        update={
            "classes": tuple(manifest.classes[place] for place in kept),
            "prototypes": tuple(manifest.prototypes[place] for place in kept),
            "calibration": manifest.calibration.model_copy(
                update={
                    "doubt_thresholds": {
                        name: at for name, at in manifest.calibration.doubt_thresholds.items() if name not in names
                    }
                }
            ),
            "changes": changes.model_copy(
                update={"enrolled": {name: n for name, n in changes.enrolled.items() if name not in names}}
            ),
        }
    )
    written, _ = _write(bundle, changed, golden, [bundle.golden_png[sample.file] for sample in golden], release)
    return written


def _check_name(manifest: Manifest, name: str) -> None:
    if name in {info.name for info in manifest.classes}:
        raise UsageError(f"--name '{name}': a class of that name is there already: choose another, or retire it first")
    if manifest.changes and name in manifest.changes.graph_classes:
        raise UsageError(
            f"--name '{name}': was trained and then retired: go back to the bundle before, or choose another name"
        )


def _changes(bundle: Bundle, classifier: Classifier) -> Changes:
    """The earlier changes; where there are none, with the scale from the golden samples."""
    manifest = bundle.manifest
    if manifest.changes:
        return manifest.changes
    if not manifest.prototypes:
        raise UsageError(f"{bundle.source}: has no prototypes: build it again")
    names = tuple(info.name for info in manifest.classes)
    outputs, prototypes = classifier.run(golden_crops(bundle)), np.array(manifest.prototypes, np.float32)
    margin = MARGINS.get(str(manifest.training.config.get("embedding")), MARGINS["last"])
    return Changes(
        graph_classes=names,
        margin=margin.most,
        few_photos=margin.few_photos,
        distance_per_logit=distance_per_logit(outputs, prototypes),
        logit_per_log_distance=logit_per_log_distance(outputs, prototypes),
        enrolled={},
    )


def distance_per_logit(outputs: RawOutputs, prototypes: Float32Array) -> float:
    """By how much squared distances grow where logits fall by one: least squares over crops and classes.

    Both are taken relative to the best class, where both are 0: the regression line goes through the origin.
    """
    best = outputs.logits.argmax(axis=1)[:, None]
    distances = squared_distances(outputs.embedding, prototypes)
    further = distances - np.take_along_axis(distances, best, axis=1)
    less = outputs.logits.max(axis=1, keepdims=True) - outputs.logits
    return max(float(np.square(further).sum() / max(float((further * less).sum()), 1e-9)), 1e-6)


def logit_per_log_distance(outputs: RawOutputs, prototypes: Float32Array) -> float:
    """By how much logits fall where the logarithm of squared distances grows by one: least squares, as above."""
    best = outputs.logits.argmax(axis=1)[:, None]
    distances = np.log(np.maximum(squared_distances(outputs.embedding, prototypes), MIN_DISTANCE))
    further = distances - np.take_along_axis(distances, best, axis=1)
    less = outputs.logits.max(axis=1, keepdims=True) - outputs.logits
    return max(float((further * less).sum() / max(float(np.square(further).sum()), 1e-9)), 1e-6)


def photos_in(paths: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """The photos in files and folders, each once; and notes on what in the folders isn't read.

    Raises:
        UsageError: there is none.
    """
    inside = {path: sort_folder(path) for path in paths if path.is_dir()}
    photos = [photo for path in paths for photo in (inside[path].photos if path in inside else (path,))]
    notes = tuple(
        note
        for path, content in inside.items()
        for note in (*left_out_notes(path, content), *hidden_note(path, content.hidden))
    )
    if not photos:
        why = "".join(f"; {note}" for note in notes)
        raise UsageError(f"PHOTOS {', '.join(map(str, paths))}: no photo there ({', '.join(PHOTO_SUFFIXES)}){why}")
    return list({photo.resolve(): photo for photo in photos}.values()), notes


def _crops(photos: Sequence[Path], size_px: int) -> tuple[Pixels, tuple[str, ...]]:
    """Views of the photos (n, v, size_px, size_px, 3), and notes on those whose colours may be wrong."""
    notes: list[str] = []

    def pictures() -> Iterator[Image.Image]:
        for path in photos:
            photo = read_converted(path)
            notes.extend(f"{path}: {doubt}" for doubt in photo.doubts)
            yield photo.picture

    try:
        return views_of(pictures(), len(photos), size_px), tuple(notes)
    except DataError as error:
        raise DataError(f"{error}: replace it, or leave it out") from error


def _confused(
    embedding: Float32Array, to_known: Float32Array, changes: Changes, known: Sequence[ClassInfo]
) -> list[int]:
    """The known class of each photo that would win it from the mean of the others; needs two photos.

    Args:
        embedding: (n, d), of the photos.
        to_known: (n, k), their squared distances to the known classes.
        changes: say how enrolled classes are judged.
        known: the known classes (k).
    """
    count = len(embedding)
    if count == 1:
        return []
    others = (embedding.sum(axis=0) - embedding) / (count - 1)
    to_own = np.square(embedding - others).sum(axis=1)
    handicaps = [
        _handicap(changes, changes.enrolled[info.name]) if info.name in changes.enrolled else 1 for info in known
    ]
    held = to_known * np.array(handicaps, np.float32)
    nearer = _handicap(changes, count - 1) * to_own >= held.min(axis=1)
    return [int(place) for place in held.argmin(axis=1)[nearer]]


def _handicap(changes: Changes, photos: int) -> float:
    """By what the squared distance to a class that was enrolled from so many photos is multiplied."""
    margin = Margin(changes.margin, changes.few_photos)
    return math.exp(margin.of(photos)) if changes.logit_per_log_distance else DOUBT


def _file(golden: Sequence[GoldenSample]) -> str:
    """A file name that no golden sample has yet."""
    return f"golden/{1 + max(int(Path(sample.file).stem) for sample in golden)}.png"


def _write(
    bundle: Bundle, manifest: Manifest, golden: Sequence[GoldenSample], pictures: Sequence[bytes], release: Release
) -> tuple[Manifest, list[GoldenSample]]:
    """Fill in the new outputs for the golden samples, and write the bundle, signed again."""
    changed = manifest.model_copy(update={"version": release.version, "created": build_time().isoformat()})
    files = dict(zip((sample.file for sample in golden), pictures, strict=True))
    draft = replace(bundle, source=str(release.out), manifest=changed, golden=tuple(golden), golden_png=files)
    names = [info.name for info in changed.classes]
    logits = Classifier(draft).run(golden_crops(draft)).logits
    filled = [
        sample.model_copy(
            update={"top1": names[int(row.argmax())], "logits": tuple(round(float(value), 5) for value in row)}
        )
        for sample, row in zip(golden, logits, strict=True)
    ]
    complete = write_bundle(release.out, changed, members_of(bundle.model, filled, pictures), release.keys)
    return complete, filled
