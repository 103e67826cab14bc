"""Scripts that convert and run a model with one toolkit each. They know nothing of Kardus, and need numpy alone.

Each is run by the Python of the environment that has the toolkit: `python openvino_worker.py FOLDER`. In FOLDER lie
`model.onnx` (the portable form) and `crops.npy` (N, 1, 3, S, S) float32; a worker adds `converted/` (the files for the
user), `answers.npz` (logits (N, classes) and embedding (N, d) of the converted model) and `versions.json`.
"""
