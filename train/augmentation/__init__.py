"""What a network is trained on: label-preserving augmentation, fixed copies, synthetic unknowns."""
