"""A cascade that is made by hand: two networks that know colours, of which the small one is less patient."""

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from export.bundle_writer import small_members_of, write_bundle
from kardus.contract.manifest import CascadeFit, Metric, SmallModel
from kardus.inference.bundle import Bundle, read_bundle
from tests.export.colours import colour_bundle

ALL = Metric(name="answered", value=0.75, n=200, low=0.69, high=0.8)
NONE = Metric(name="lost", value=0.0, n=200, low=0.0, high=0.02)
FIT = CascadeFit(
    likelihood=0.95, score=-900.0, answered=ALL, lost=NONE, strangers=NONE, max_loss=0.1, fitted_on="by hand"
)
"""The score is less the squared distance to a colour: 30 levels away it isn't sure any more."""


def colour_cascade(path: Path, keys: Sequence[Ed25519PrivateKey] = (), **changes: object) -> Bundle:
    """Write a cascade of colours; `changes` are to what its manifest says of the small network."""
    alone = read_bundle(colour_bundle(path))
    own = {name: getattr(alone.manifest, name) for name in SmallModel.model_fields if hasattr(alone.manifest, name)}
    small = SmallModel(**own, fit=FIT).model_copy(update=changes)
    members = members_in_cascade(alone)
    write_bundle(path, alone.manifest.model_copy(update={"small": small}), members, keys)
    return read_bundle(path)


def members_in_cascade(alone: Bundle) -> dict[str, bytes]:
    """The members of a bundle, with its own network once more as the small one."""
    from export.bundle_writer import members_of

    pictures = [alone.golden_png[sample.file] for sample in alone.golden]
    return members_of(alone.model, alone.golden, pictures) | small_members_of(alone.model, alone.golden)
