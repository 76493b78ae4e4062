"""An ONNX model as a feature network: the values of one of its outputs, by ONNX Runtime on the CPU."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.metrics.extractor import FeaturesPart
from harness.metrics.own import model
from harness.metrics.own.model import Input
from harness.metrics.own.network import FeaturesFilePart, FileError, FileNetwork


def part(name: str, content: bytes) -> FeaturesPart:
    """The declaration of a model in a file, of which nothing is read yet."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise FileError("which needs ONNX Runtime: install the extra, pip install 'schedule-harness[onnx]'")
    return FeaturesPart(
        name=name,
        help="your own ONNX model",
        build=partial(load, name, content),
        check_reading=partial(model.reading_fault, f"{name}.onnx", layers=None, role="output"),
        memory=lambda _: 300.0 + 4 * len(content) / 1e6,
    )


def load(name: str, content: bytes, layer: str | None, scaling: str) -> FileNetwork:
    """The network whose features are the values of the output `layer`, or of the only one; FileError names the file."""
    with model.of_file(f"{name}.onnx"):
        return _network(name, content, layer, scaling)


def _network(name: str, content: bytes, layer: str | None, scaling: str) -> FileNetwork:
    session = _session(content)
    inputs, outputs = session.get_inputs(), [each.name for each in session.get_outputs()]
    if layer not in outputs and (layer is not None or len(outputs) > 1):
        named = "no layer is named" if layer is None else f"layer is {layer!r}{kinds.nearest(layer, outputs)}"
        raise FileError(f"of which {named}, but its outputs are: {', '.join(outputs)}")
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        types = ", ".join(each.type for each in inputs)
        raise FileError(f"whose inputs are {types}, but allowed is one of tensor(float)")
    given = Input.of(inputs[0].shape, may_be_first=True)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run([layer or outputs[0]], {inputs[0].name: batch})[0])

    return model.network(name, run, given, sha256=model.sha256(content, layer, scaling), scaling=scaling)


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # features to the last bit, whatever the machine's number of cores
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever a damaged file makes the runtime raise
        said = " ".join(str(error).split())[:160]
        raise FileError(f"which cannot be loaded by ONNX Runtime: {said}") from error


PART = FeaturesFilePart(name="onnx", help="an ONNX model; evaluate.layer and evaluate.scaling; extra onnx", build=part)
