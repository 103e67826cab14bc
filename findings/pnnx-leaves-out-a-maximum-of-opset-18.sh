#!/bin/sh
# What: pnnx converts an ONNX ReduceMax whose axes are an input (opset 18, where they moved to) to a layer that ncnn
#   doesn't have, says so only in its log, and ends with 0. With the same axes as an attribute (opset 17) it becomes
#   ncnn's Reduction.
# Versions: pnnx 20261020, ncnn 1.0.20261020, onnx 1.22.0.
# Expected: the same layer for both, which mean the same; or another exit code than 0.
# Observed: "ReduceMax ReduceMax_0" in the .param file, and load_param returns -1 for it.
# Why it matters: torch's exporter writes opset 18 and later by itself. Files are there, nothing has failed, and the
#   camera's box is the first to notice.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pnnx==20261020 ncnn==1.0.20261020 onnx==1.22.0 numpy
cd "$work"
cat > make.py <<'PY'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 6, 6])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 6, 6])
for name, opset, inputs, attributes, given in (
    ("attribute", 17, ["x"], {"axes": [1]}, []),
    ("input", 18, ["x", "axes"], {}, [numpy_helper.from_array(np.array([1], np.int64), "axes")]),
):
    node = helper.make_node("ReduceMax", inputs, ["y"], keepdims=1, **attributes)
    graph = helper.make_graph([node], "maximum", [x], [y], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f"{name}.onnx")
PY
venv/bin/python make.py
layer() {  # what becomes of the maximum, whether pnnx fails, and whether ncnn loads it: $1 a file's name
    code=0
    venv/bin/pnnx "$1.onnx" > /dev/null 2>&1 || code=$?
    kind=$(sed -n '4s/ .*//p' "$1.ncnn.param")
    loaded=$(venv/bin/python -c "import ncnn; print(ncnn.Net().load_param('$1.ncnn.param'))" 2> /dev/null)
    echo "$kind, pnnx ends with $code, load_param returns $loaded"
}
attribute=$(layer attribute)
input=$(layer input)
echo "pnnx 20261020: a maximum over one axis"
echo "axes as an attribute: $attribute"
echo "axes as an input: $input"
[ "$attribute" = "Reduction, pnnx ends with 0, load_param returns 0" ] || { echo "changed"; exit 1; }
[ "$input" = "ReduceMax, pnnx ends with 0, load_param returns -1" ] || { echo "changed"; exit 1; }
