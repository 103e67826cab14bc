"""From a checkpoint to a bundle: ONNX, parity with the trained model, golden samples, manifest, signature."""

import kardus  # noqa: F401 - before onnxruntime: turns its telemetry off
