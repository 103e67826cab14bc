"""Data sets: labelled photos are read, checked and split."""
