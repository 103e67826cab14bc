"""Pictures that are kept: evidence of events, photos for training, recordings."""
