"""The classifier of an agent that has no model yet, and collects photos for the first one."""

from kardus.contract.manifest import ClassInfo, PixelAccuracy
from kardus.contract.messages import Model
from kardus.inference.classification import Classification
from kardus.inference.preprocess import Pixels

NO_MODEL_NAME = Model(name="none", version="none")
"""The model in messages, where there is none yet."""
_NOTHING = Classification("", "", "", 0.0, 0.0, known=False, skus=())


class NoModel:
    """Knows no product: a `CropClassifier`."""

    size_px = 32
    classes: tuple[ClassInfo, ...] = ()
    pixels: tuple[PixelAccuracy, ...] = ()

    def classify(self, crops: Pixels) -> list[Classification]:
        """For each crop, that nothing is known of it."""
        return [_NOTHING] * len(crops)
