"""How an execution provider is asked for, in a configuration and on a command line, and what it is then told."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kardus.inference.providers import KNOWN_PROVIDERS, Provider, parse_provider
from kardus.inference.tolerances import OF_ARITHMETIC, OF_PRECISION, allowed
from kardus.support.errors import UsageError

OPENVINO = "OpenVINOExecutionProvider"
LIST = TypeAdapter(tuple[Provider, ...])


def test_a_list_takes_names_and_tables() -> None:
    first, second = LIST.validate_python([{"name": OPENVINO, "precision": "f32", "device": "NPU"}, "X"])
    assert (first.name, first.precision, first.device, second) == (OPENVINO, "f32", "NPU", Provider(name="X"))
    assert len({first, second, Provider(name="X"), Provider(name="X", options={"a": "1"})}) == 3


@pytest.mark.parametrize(
    ("name", "precision"), [("CPUExecutionProvider", "f16"), ("CUDAExecutionProvider", "bf16"), ("X", "f32")]
)
def test_an_arithmetic_that_a_provider_has_not_is_refused(name: str, precision: str) -> None:
    with pytest.raises(ValidationError, match=f"precision '{precision}': {name} has"):
        Provider.model_validate({"name": name, "precision": precision})


@pytest.mark.parametrize("words", ["presicion=f32", "device=GPU"])
def test_what_the_processor_would_pass_over_is_refused(words: str) -> None:
    left_out = words.partition("=")[0]
    with pytest.raises(UsageError, match=f"CPUExecutionProvider has no device and no options: leave {left_out} out"):
        parse_provider(f"CPUExecutionProvider,{words}", "--provider")
    assert parse_provider("CPUExecutionProvider,device=CPU", "--provider").device == "CPU"


def test_the_processor_has_no_library() -> None:
    with pytest.raises(UsageError, match="CPUExecutionProvider is built into onnxruntime, and has no library: leave"):
        parse_provider("CPUExecutionProvider,library=x.so", "--provider")


@pytest.mark.parametrize("key", ["device", "precision", "library", "num_streams"])
def test_a_key_that_is_given_twice_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"--provider 'OpenVINO.*': {key} is given twice: give it once"):
        parse_provider(f"OpenVINOExecutionProvider,{key}=f32,{key}=f16", "--provider")


def test_the_most_exact_arithmetic_is_the_usual_one() -> None:
    usual = {name: Provider(name=name).arithmetic for name in KNOWN_PROVIDERS}
    assert usual == {
        "CPUExecutionProvider": "f32",
        OPENVINO: "f32",
        "QNNExecutionProvider": "f16",  # its NPU has nothing more exact
        "CUDAExecutionProvider": "f32",
        "TensorrtExecutionProvider": "tf32",
        "CoreMLExecutionProvider": "f32",
    }


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("CUDAExecutionProvider", {"use_tf32": "0"}),
        ("CUDAExecutionProvider,precision=tf32,device=1", {"use_tf32": "1", "device_id": "1"}),
        ("CUDAExecutionProvider,use_tf32=1", {"use_tf32": "1"}),
        ("TensorrtExecutionProvider,precision=bf16", {"trt_bf16_enable": "1"}),
        ("QNNExecutionProvider", {"backend_type": "htp"}),
        ("QNNExecutionProvider,device=CPU", {"backend_type": "htp"}),  # the NPU's emulator
        ("QNNExecutionProvider,device=GPU,soc_model=60", {"backend_type": "gpu", "soc_model": "60"}),
        ("CoreMLExecutionProvider", {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"}),
    ],
)
def test_what_a_provider_is_told(text: str, options: dict[str, str]) -> None:
    provider = parse_provider(text, "--provider")
    assert provider.all_options(provider.device) == options


def test_openvino_is_told_by_its_loading_configuration() -> None:
    provider = parse_provider(f"{OPENVINO},precision=bf16,device=GPU", "--provider")
    assert json.loads(provider.all_options("GPU")["load_config"]) == {"GPU": {"INFERENCE_PRECISION_HINT": "bf16"}}


@pytest.mark.parametrize("text", ["", ",", "X,precision", "X,=1", f"{OPENVINO},precision=f8", "X,precision=f32"])
def test_what_cannot_be_understood_names_its_option(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--provider '{text}'"):
        parse_provider(text, "--provider")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{OPENVINO},precision=f8", "precision=f8: input should be 'f32', 'tf32', 'f16' or 'bf16'"),
        ("CUDAExecutionProvider,precision=f16", "precision 'f16': CUDAExecutionProvider has f32, tf32"),
        ("", f"it begins with no name: name {', '.join(KNOWN_PROVIDERS)}, or a plug-in's"),
        (",device=GPU", f"it begins with no name: name {', '.join(KNOWN_PROVIDERS)}, or a plug-in's"),
    ],
)
def test_what_a_word_may_be_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_provider(text, "--provider")
    assert str(error.value) == f"--provider '{text}': {said}"


@given(st.text())
def test_any_text_is_a_provider_or_wrong_use(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_provider(text, "--provider").name == text.partition(",")[0].strip()


def test_a_library_of_a_configuration_is_relative_to_its_file() -> None:
    given = {"name": "X", "library": "lib.so"}
    assert Provider.model_validate(given, context={"folder": Path("/etc/kardus")}).library == Path("/etc/kardus/lib.so")
    assert Provider.model_validate(given).library == Path("lib.so")


def test_a_library_may_lie_among_systemds_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/kardus-agent.service")
    given = {"name": "X", "library": "$CREDENTIALS_DIRECTORY/lib.so"}
    found = Provider.model_validate(given, context={"folder": Path("/etc/kardus")})
    assert found.library == Path("/run/credentials/kardus-agent.service/lib.so")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(UsageError, match="LoadCredential="):
        parse_provider("X,library=$CREDENTIALS_DIRECTORY/lib.so", "--provider")


def test_what_a_bundle_states_for_its_precision() -> None:
    assert dict(OF_PRECISION) == {"fp32": 1e-3, "fp16": 5e-2, "int8": 0.1}


def test_a_coarser_arithmetic_may_be_off_further_and_f32_as_the_manifest_says() -> None:
    assert [allowed(1e-3, arithmetic) for arithmetic in OF_ARITHMETIC] == [1e-3, 5e-2, 5e-2, 0.3]
    assert allowed(0.1, "f32") == allowed(0.1, "tf32") == 0.1
    assert allowed(5e-4, "f32") == 5e-4


def test_blanks_between_the_words_of_a_provider_mean_nothing() -> None:
    """As in a list of a configuration; ` device` would be an option of the chip's own."""
    typed = parse_provider(" CUDAExecutionProvider , device = 1, precision=tf32,own_key= a=b ", "--provider")
    assert typed == parse_provider("CUDAExecutionProvider,device=1,precision=tf32,own_key=a=b", "--provider")
    assert (typed.device, typed.options) == ("1", {"own_key": "a=b"})


@pytest.mark.parametrize("words", ["device=", "device= ", "=1", " ", "device"])
def test_a_word_of_a_provider_without_its_name_or_value_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="write NAME,key=value"):
        parse_provider(f"CUDAExecutionProvider,{words}", "--provider")
