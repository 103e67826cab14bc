"""From photos to a checkpoint: data, augmentation, networks, training and evaluation."""
