"""The published AsyncAPI document, by AsyncAPI's own parser and its generator of classes."""

import json
import py_compile
from pathlib import Path

import pytest

from tests.contract_schemas import PUBLISHED
from tests.node import run_node

PACKAGES = ("@asyncapi/parser@3.6.6", "@asyncapi/modelina@5.10.1")
WARNING = 1
"""Severities: 0 is an error, 1 a warning; information, as that 3.1.0 is out, is 2 and more."""
SCRIPT = """
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { PythonGenerator, PYTHON_PYDANTIC_PRESET } from "@asyncapi/modelina";

const [file, folder] = process.argv.slice(2);
const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
mkdirSync(folder);
const models = document ? await new PythonGenerator({ presets: [PYTHON_PYDANTIC_PRESET] }).generate(document) : [];
const named = models.filter((model) => model.modelName);
for (const model of named) writeFileSync(`${folder}/${model.modelName}.py`, model.result);
console.log(JSON.stringify({ diagnostics, models: named.map((model) => model.modelName) }));
"""


@pytest.mark.slow
def test_asyncapi_s_parser_finds_nothing_and_the_generated_classes_compile(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = run_node(tmp_path / "node", SCRIPT, str(PUBLISHED / "asyncapi.json"), str(out), packages=PACKAGES)
    found = json.loads(printed.splitlines()[-1])
    assert [each for each in found["diagnostics"] if each["severity"] <= WARNING] == []
    assert {"LocationEventMessage", "LocationEvent", "LocationStateMessage", "Expected", "Ack"} <= set(found["models"])
    for path in out.iterdir():
        assert path.stem.isidentifier()
        py_compile.compile(str(path), doraise=True)
