"""How good a model is, and how sure: figures with intervals, calibration, rejection, the report."""
