"""What a session runs on is seen, and a provider that is asked for and not used is an error or a fall-back."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from kardus.inference import provider_plugins
from kardus.inference.bundle import Bundle, read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.onnx_session import RunsOn, _options, open_session, shares_of
from kardus.inference.providers import Provider
from kardus.support.errors import ProviderError

AZURE = "AzureExecutionProvider"
"""In every onnxruntime, and takes nothing of an ordinary model: what a provider without its chip does too."""
CPU = "CPUExecutionProvider"


@pytest.fixture(scope="module")
def bundle(bundle_file: Path) -> Bundle:
    """The small bundle."""
    return read_bundle(bundle_file)


def _open(bundle: Bundle, *names: str) -> RunsOn:
    return Classifier(bundle, threads=1, providers=[Provider(name=name) for name in names]).runs_on


def test_the_processor_alone_is_named(bundle: Bundle) -> None:
    assert str(_open(bundle, CPU)) == "CPUExecutionProvider (f32)"


def test_a_provider_that_is_asked_for_and_takes_nothing_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(ProviderError) as error:
        _open(bundle, AZURE)
    assert str(error.value) == (
        "AzureExecutionProvider: it takes nothing of this model here; it would run on CPUExecutionProvider; or name "
        "CPUExecutionProvider after it, as a fall-back"
    )


def test_where_a_fall_back_is_named_it_is_used_and_told(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    runs_on = _open(bundle, AZURE, CPU)
    reason = "AzureExecutionProvider: it takes nothing of this model here"
    assert str(runs_on) == f"CPUExecutionProvider (f32); not on {reason}"
    assert caplog.messages == [f"the model runs on CPUExecutionProvider, a fall-back: not on {reason}"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("OpenVINOExecutionProvider", "pip install onnxruntime-ep-openvino; it needs an Intel processor, GPU or NPU"),
        ("QNNExecutionProvider", "pip install onnxruntime-qnn; it needs a Qualcomm chip"),
        ("CUDAExecutionProvider", "pip install onnxruntime-gpu; it needs NVIDIA's driver, CUDA and cuDNN"),
        (
            "TensorrtExecutionProvider",
            "pip install onnxruntime-gpu; it needs NVIDIA's driver, CUDA, cuDNN and TensorRT",
        ),
        ("CoreMLExecutionProvider", "pip install onnxruntime; it needs macOS"),
    ],
)
def test_what_is_not_installed_is_named_with_its_package_and_falls_back(
    bundle: Bundle, name: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ProviderError) as error:
        _open(bundle, name)
    assert str(error.value).startswith(f"{name}: not in this onnxruntime: {remedy}; or name CPU")
    assert _open(bundle, name, CPU).unused == (f"{name}: not in this onnxruntime: {remedy}",)


def test_a_fall_back_that_is_not_there_either_is_told_too(bundle: Bundle) -> None:
    with pytest.raises(ProviderError, match=r"TensorrtExecutionProvider: .*CUDAExecutionProvider: .*AzureExecution"):
        _open(bundle, "TensorrtExecutionProvider", "CUDAExecutionProvider", AZURE)


def test_what_stands_behind_the_one_in_use_is_no_concern(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    assert str(_open(bundle, CPU, AZURE, "CUDAExecutionProvider")) == "CPUExecutionProvider (f32)"
    assert not caplog.messages


def test_a_provider_that_is_named_twice_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ProviderError, match=r"'CUDAExecutionProvider' is named 2 times, .* name it once"):
        _open(bundle, "CUDAExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


def test_a_library_that_would_be_passed_over_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    own = Provider(name=AZURE, library=tmp_path / "plug-in.so")
    with pytest.raises(ProviderError, match=r"'AzureExecutionProvider' is built into .*plug-in\.so: leave it out"):
        open_session(bundle.model, 1, [own, Provider(name=CPU)])


def test_a_plug_in_without_its_usual_device_does_not_run_on_another(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, library = "QNNExecutionProvider", tmp_path / "plug-in.so"
    library.touch()
    processor = SimpleNamespace(ep_name=name, ep_metadata={}, device=SimpleNamespace(type="OrtHardwareDeviceType.CPU"))
    monkeypatch.setitem(provider_plugins.registered, name, library)
    monkeypatch.setattr("onnxruntime.get_ep_devices", lambda: [processor])
    with pytest.raises(ProviderError, match=r"it has no device 'NPU' here: it has CPU; name one with device"):
        open_session(bundle.model, 1, [Provider(name=name, library=library)])


def test_a_name_that_nobody_knows_is_an_error_whatever_the_list_says(bundle: Bundle) -> None:
    with pytest.raises(ProviderError) as error:
        _open(bundle, "CUDAExecutionProvder", CPU)
    said, has, added = re.split(r"name one that it has|or that can be added", str(error.value))
    assert said == "'CUDAExecutionProvder': no such provider in this onnxruntime: "
    assert CPU in has
    assert all(f"{name}ExecutionProvider" in added for name in ("OpenVINO", "QNN", "CUDA", "Tensorrt", "CoreML"))
    assert CPU not in added


@pytest.mark.parametrize("content", [None, b"no library"])
def test_a_plug_in_that_cannot_be_loaded_is_named(bundle: Bundle, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "libplugin.so"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProviderError, match=r"MyExecutionProvider: .*libplugin\.so (is no file|can't be loaded)"):
        Classifier(bundle, threads=1, providers=[Provider(name="MyExecutionProvider", library=path)])


def test_no_temporary_folder_is_named_with_its_remedy(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(
        ProviderError, match=r"what the model runs on can't be seen .*TMPDIR.*CPUExecutionProvider alone"
    ):
        _open(bundle, AZURE, CPU)
    assert _open(bundle, CPU).shares == {CPU: 1.0}


def test_no_profile_stays_behind(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    _open(bundle, AZURE, CPU)
    assert not list(tmp_path.iterdir())


@given(st.dictionaries(st.sampled_from([CPU, "A", "B"]), st.lists(st.integers(0, 9999), min_size=1), min_size=1))
def test_shares_are_those_of_the_kernels_times(times: dict[str, list[int]]) -> None:
    kernels = [
        {"cat": "Node", "dur": time, "args": {"provider": name}} for name, all_ in times.items() for time in all_
    ]
    others = [{"cat": "Session", "dur": 5}, {"cat": "Node", "dur": 7, "args": {}}]
    shares = shares_of(json.dumps([*kernels, *others]).encode())
    assert set(shares) == set(times)
    assert sum(shares.values()) == pytest.approx(1)
    longest = max(times, key=lambda name: sum(max(1, time) for time in times[name]))
    assert shares[longest] == max(shares.values())


def _float_layer_between_integers() -> bytes:
    """What export writes where a layer is left in float: 8 bits before and after it, filters of very different size."""
    filters = np.array([0.001, 1.0], np.float32).reshape(2, 1, 1, 1)
    constants = {"scale": np.float32(1 / 255), "zero": np.uint8(0), "small": np.float32(0.001 / 255)}
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in {**constants, "w": filters}.items()]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["qx"]),
        helper.make_node("DequantizeLinear", ["qx", "scale", "zero"], ["dx"]),
        helper.make_node("Conv", ["dx", "w"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "small", "zero"], ["qy"]),
        helper.make_node("DequantizeLinear", ["qy", "small", "zero"], ["out"]),
    ]
    given, got = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 1, 1]) for n, c in (("x", 1), ("out", 2)))
    graph = helper.make_graph(nodes, "g", [given], [got], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_layer_that_is_left_in_float_is_computed_in_float() -> None:
    session, _ = open_session(_float_layer_between_integers(), 1, [Provider(name=CPU)])
    (answer,) = session.run(None, {"x": np.full((1, 1, 1, 1), 0.5, np.float32)})
    assert answer[0, 0, 0, 0] == pytest.approx(0.0005, rel=0.02)


def test_its_threads_do_not_keep_a_core_busy_after_a_run() -> None:
    """They would wait for the next one, which comes with the next picture, while the agent writes down and sends."""
    assert _options(2).get_session_config_entry("session.force_spinning_stop") == "1"
