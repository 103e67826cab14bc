"""Draws cartons, shelves and faults, so that everything runs with no camera and no data set."""
