"""What the small network of a cascade no longer answers once a product was enrolled, which it knows nothing of.

It would take the new product's cartons for what they are most like. So it is shown the photos that the product is
enrolled from; every product that it may take them for is left to the large network from then on.
"""

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Manifest
from kardus.inference.bundle import Bundle
from kardus.inference.cascade import SmallNetwork
from kardus.inference.classification import softmax
from kardus.inference.preprocess import Pixels

MAY_BE = 0.05
"""The likelihood from which a photo may be of a product: `verdict.mismatch_likelihood` has it as default."""


def with_withheld(bundle: Bundle, manifest: Manifest, views: Pixels) -> Manifest:
    """The manifest with more products that the small network doesn't answer; as it is where there is none.

    Args:
        bundle: the earlier one.
        manifest: the new one's.
        views: (n, v, S, S, 3) uint8 RGB, of the new product's photos.
    """
    small = manifest.small
    if small is None:
        return manifest
    classifier = SmallNetwork(bundle).classifier
    logits: NDArray[np.float32] = np.concatenate([classifier.run(own).logits for own in views])
    likely = softmax((logits / small.calibration.temperature).astype(np.float32)).max(axis=0)
    taken = {info.sku for info, most in zip(small.classes, likely, strict=True) if most >= MAY_BE}
    withheld = tuple(sorted(taken | set(small.withheld)))
    return manifest.model_copy(update={"small": small.model_copy(update={"withheld": withheld})})
