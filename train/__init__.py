"""From photos to a checkpoint: data, augmentation, networks, training and evaluation."""

import kardus  # noqa: F401 - before timm: what that brings along would tell of its use
