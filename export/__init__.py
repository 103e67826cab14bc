"""From a checkpoint to a bundle: ONNX, parity with the trained model, golden samples, manifest, signature."""
