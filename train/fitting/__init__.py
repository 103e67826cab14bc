"""One training run: preparation of the photos, training loop, resuming, the files in the run's folder."""
