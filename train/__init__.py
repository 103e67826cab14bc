"""Photos to checkpoint: data, augmentation, networks, the training loop and its evaluation."""
