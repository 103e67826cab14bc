"""Experiments of several runs: cross-validation, filtering of proposals, the founding study."""
