"""Evaluation: metrics with confidence intervals, calibration, unknown rejection, cross-validation, reports."""
