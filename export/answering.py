"""The signing workstation answers a request for a new product: it enrols the crops, and signs the new bundle."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from export.enroll import Enrolled, Release, enroll
from kardus.contract.enrolment import ANSWER, MIN_ADVISED_PHOTOS, REQUEST, EnrolmentAnswer, EnrolmentRequest
from kardus.contract.manifest import ClassInfo
from kardus.inference.bundle import Bundle
from kardus.support.errors import DataError, UsageError
from kardus.support.files import write_durably

_MAX_BYTES = 1_000_000


def read_request(folder: Path) -> EnrolmentRequest:
    """A request, whose photos are those that it names.

    Raises:
        DataError: it can't be read, or a photo isn't the one that was sent.
    """
    path = folder / REQUEST
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: is no request: have it made again")
        request = EnrolmentRequest.model_validate_json(path.read_bytes())
        digests = [hashlib.sha256((folder / photo.file).read_bytes()).hexdigest() for photo in request.photos]
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be read ({error.strerror}): copy the whole folder"
        ) from error
    except ValidationError as error:
        what = error.errors()[0]
        where = ".".join(map(str, what["loc"])) or "content"
        raise DataError(f"{path}: {where}: {what['msg']}: have it made again") from error
    for photo, digest in zip(request.photos, digests, strict=True):
        if photo.sha256 != digest:
            raise DataError(f"{folder / photo.file}: isn't the photo that was sent: copy the folder again")
    return request


def answer_request(folder: Path, bundle: Bundle, release: Release) -> tuple[EnrolmentAnswer, Enrolled]:
    """Enrol what a request asks for; the answer is written last, so that it never tells of a bundle that isn't there.

    Args:
        folder: the request's.
        bundle: what the new bundle is made of.
        release: its name, which must be in the folder, its version and keys.

    Raises:
        DataError: the request or a photo can't be read.
        UsageError: it is answered already, or can't be enrolled in this bundle; nothing is written.
    """
    if (folder / ANSWER).exists():
        raise UsageError(f"{folder}: is answered already: see {ANSWER}, or delete it to answer anew")
    request = read_request(folder)
    info = ClassInfo(name=request.name, category="", sku=request.sku)
    photos = [folder / photo.file for photo in request.photos]
    done = enroll(bundle, info, photos, release)
    content = release.out.read_bytes()
    answer = EnrolmentAnswer(
        request=request.id,
        file=release.out.name,
        name=done.manifest.name,
        version=done.manifest.version,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        nearest=done.nearest,
        warnings=warnings_of(done),
    )
    write_durably(folder / ANSWER, answer.model_dump_json(indent=2).encode() + b"\n")
    return answer, done


def warnings_of(done: Enrolled) -> tuple[str, ...]:
    """Why the new product may be confused with others, each a line."""
    new, lines = done.manifest.classes[-1].name, []
    if done.photos < MIN_ADVISED_PHOTOS:
        lines.append(f"only {done.photos} photos: {MIN_ADVISED_PHOTOS} are better")
    if done.confused:
        of = f"{done.confused} of {done.photos}"
        lines.append(f"{of} photos would be taken for another product, such as '{done.confused_with}'")
    if done.takes:
        lines.append(f"cartons of {', '.join(done.takes)} are now taken for '{new}'")
    return tuple(lines)
