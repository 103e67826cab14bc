"""Kardus: checks that each storage location holds the carton the WMS expects."""

import os

__version__ = "0.1.0"

# onnxruntime's Linux wheels send usage data, and keep a device id and a database in the user's home, from the moment a
# session is made; only this variable, set before the import, prevents it (docs/deployment.md, "Nothing leaves the box")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
