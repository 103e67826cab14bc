"""Whether a bundle may take the place of the model in use. Pure functions; an empty answer is a yes."""

from collections.abc import Collection

from kardus.contract.commands import ChangeModel
from kardus.contract.manifest import Manifest
from kardus.contract.model_status import Comparison

MIN_LOST_CROPS = 3
"""A difference of fewer crops than this is chance."""


def not_as_requested(new: Manifest, command: ChangeModel) -> str:
    """Why a bundle isn't the one that a command names."""
    if (new.name, new.version) == (command.name, command.version):
        return ""
    return f"it is {new.name} {new.version}, not the {command.name} {command.version} that the command names"


def downgrade_reason(new: Manifest, present: Manifest) -> str:
    """Why a bundle is a step back: an older version under the same name, or made earlier under another."""
    if new.name != present.name:
        made_earlier = new.created < present.created
        return f"it was made before the model in use ({new.created} < {present.created})" if made_earlier else ""
    if _version_numbers(new.version) > _version_numbers(present.version):
        return ""
    return (
        f"it is {new.version}, and {present.version} is in use: only a higher version takes over, unless it is forced"
    )


def lost_products(new: Manifest, present: Manifest, expected: Collection[str]) -> str:
    """Which of the products that the WMS expects here the model in use knows, and the new one doesn't."""
    lost = sorted({info.sku for info in present.classes} & set(expected) - {info.sku for info in new.classes})
    if not lost:
        return ""
    shown = ", ".join(lost[:3]) + (" and others" if len(lost) > 3 else "")  # noqa: PLR2004 - a line's worth
    return f"it doesn't know {shown}, expected here and known to the model in use: train it with them, or force it"


def regression_reason(comparison: Comparison, max_loss: float, *, other_is_new: bool) -> str:
    """Why the new one of two models isn't kept: it finds what the WMS expects in too many fewer of the same crops.

    What the WMS expects is the nearest thing to the truth on the box: it is right in nearly all locations.
    """
    by_new, by_old = comparison.by_other, comparison.by_present
    if not other_is_new:
        by_new, by_old = by_old, by_new
    lost = by_old - by_new
    if lost < MIN_LOST_CROPS or lost <= max_loss * comparison.expected:
        return ""
    return (
        f"of {comparison.expected} crops it finds the expected product in {by_new}, the other model in {by_old}: "
        f"more than model.max_loss = {max_loss:g} fewer"
    )


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
