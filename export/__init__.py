"""Checkpoint to bundle: ONNX, parity with the trained model, golden samples, manifest, signature."""
