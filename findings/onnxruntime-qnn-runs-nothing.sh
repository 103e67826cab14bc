#!/bin/sh
# What: a session on QNN's plug-in for a GPU that isn't there is made, and runs on the processor without a word.
# Versions: onnxruntime 1.32.0, onnxruntime-qnn 2.7.0 (Linux x86-64 wheels, no Qualcomm chip), onnx 1.23.2, numpy 2.4.6.
# Expected: an error when the session is made, or get_providers() without it; devices named QNNExecutionProvider.
# Observed: get_providers() names it first, and a profile shows every node on the processor. Its devices are called by
#   whatever name the library was registered under.
# Why it matters: a box that was bought for its chip runs on its processor, and everything that is asked says otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-deps onnxruntime-qnn==2.7.0
"$folder/venv/bin/pip" install -q onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
ORT_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" - <<'EOF'
import json

import numpy as np
import onnx
import onnxruntime as ort
import onnxruntime_qnn
from onnx import TensorProto, helper

value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)

ort.register_execution_provider_library("any name", onnxruntime_qnn.get_library_path())
devices = [device for device in ort.get_ep_devices() if device.ep_vendor == "Qualcomm"]
print("device:", devices[0].ep_name)
assert devices[0].ep_name == "any name"

options = ort.SessionOptions()
options.enable_profiling = True
options.log_severity_level = 4
options.add_provider_for_devices(devices[:1], {"backend_type": "gpu"})
session = ort.InferenceSession(model.SerializeToString(), options)
session.run(None, {"x": np.zeros((1, 4), np.float32)})
with open(session.end_profiling()) as profile:
    ran_on = {event["args"]["provider"] for event in json.load(profile) if event.get("cat") == "Node"}
print("get_providers():", session.get_providers(), "- ran on:", ran_on)
assert session.get_providers() == ["any name", "CPUExecutionProvider"], session.get_providers()
assert ran_on == {"CPUExecutionProvider"}
EOF
