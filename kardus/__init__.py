"""Kardus: checks that each storage location holds the carton the WMS expects."""

import os

__version__ = "0.1.0"

# Whatever a library would report of its use stays here (docs/deployment.md, "Outgoing connections"). These variables
# hold only where they are set before the import: onnxruntime's Linux wheels keep a device id and a database in the
# user's home from the moment a session is made, and huggingface_hub (with timm) says who asks for what.
for _name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_name, "1")
