#!/bin/sh
# What: making an onnxruntime session leaves a device id and a database of usage events in the user's home.
# Versions: onnxruntime 1.32.0 (Linux wheel), numpy 2.3.5.
# Expected: a library for inference writes nothing; or its documented switch, disable_telemetry_events(), called
#   before the first session, keeps it from writing.
# Observed: two files below ~/.cache with and without that call. None where ORT_DISABLE_TELEMETRY=1 is set before the
#   import, and none where the variable CI is set: so a test that runs in continuous integration never sees them.
# Why it matters: a product that promises that nothing leaves the box keeps the promise in its tests alone.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check onnxruntime==1.32.0 numpy==2.3.5 onnx==1.19.1
cat > "$work/session.py" <<'PYTHON'
import sys

import onnxruntime
from onnx import TensorProto, helper

value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
if "call" in sys.argv:
    onnxruntime.disable_telemetry_events()
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
PYTHON
files() {  # how many files a session leaves in an empty home: $1 an assignment, $2 an argument
    mkdir "$work/home"
    env -i HOME="$work/home" PATH="$PATH" $1 "$work/venv/bin/python" "$work/session.py" $2
    find "$work/home" -type f | wc -l
    rm -r "$work/home"
}
plain=$(files A=1 -)
call=$(files A=1 call)
variable=$(files ORT_DISABLE_TELEMETRY=1 -)
ci=$(files CI=true -)
echo "onnxruntime 1.32.0: files in an empty home after one session"
echo "expected: none, or none after disable_telemetry_events()"
echo "observed: $plain; after disable_telemetry_events() $call; with ORT_DISABLE_TELEMETRY=1 $variable; with CI set $ci"
[ "$plain" -gt 0 ] && [ "$call" -gt 0 ] && [ "$variable" = 0 ] && [ "$ci" = 0 ] || { echo "changed"; exit 1; }
