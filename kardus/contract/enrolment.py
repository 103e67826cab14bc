"""How the warehouse asks for a new product, and what the signing workstation answers: a folder that is carried over.

FOLDER/request.json    what is asked for
FOLDER/photos/         crops that people have said to be of this product
FOLDER/answer.json     what came of it; the bundle stands beside it

The key that signs bundles stays at the signing workstation: the warehouse never has it.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from kardus.contract.base import Record
from kardus.contract.manifest import ClassName, Sha256
from kardus.contract.messages import UtcTime

REQUEST, ANSWER = "request.json", "answer.json"
MAX_PHOTOS = 50
MIN_ADVISED_PHOTOS = 5
"""Fewer help less."""


class RequestedPhoto(Record):
    """A crop of the new product."""

    file: Annotated[str, Field(pattern=r"^photos/[0-9]{1,19}\.jpg$")]
    """Where it lies in the folder."""
    sha256: Sha256
    """Its SHA-256."""
    event: Annotated[str, Field(max_length=200)]
    """The event whose picture it is."""


class EnrolmentRequest(Record):
    """What is asked for."""

    schema_version: Literal[1] = 1
    """Of this form."""
    id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    """A UUID."""
    name: ClassName
    """The new class."""
    sku: ClassName
    """Its product."""
    by: Annotated[str, Field(max_length=200)] = ""
    """Who asks."""
    made: UtcTime
    """When."""
    photos: Annotated[tuple[RequestedPhoto, ...], Field(min_length=1, max_length=MAX_PHOTOS)]
    """Crops of it."""


class EnrolmentAnswer(Record):
    """What came of it."""

    request: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    """Its id."""
    file: str
    """The new bundle, beside the answer."""
    name: str
    """The bundle's name; with `version`, `size` and `sha256` what the command `model` wants."""
    version: str
    """Its version."""
    size: PositiveInt
    """Its length in bytes."""
    sha256: Sha256
    """Its SHA-256."""
    nearest: str
    """The known class that the product is most like."""
    warnings: tuple[str, ...]
    """Why it may be confused with others, each a line."""
