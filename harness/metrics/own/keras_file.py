"""A saved Keras model as a feature network: the values of one of its layers. Keras' safe mode: no code in the file is run."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.extractor import FeaturesPart
from harness.metrics.own import model
from harness.metrics.own.model import Input
from harness.metrics.own.network import FeaturesFilePart, FileError, FileNetwork


def part(name: str, content: bytes) -> FeaturesPart:
    """The declaration of a model in a file, of which the layers' names are read, and nothing is loaded."""
    layers = _layers(content)
    return FeaturesPart(
        name=name,
        help="your own Keras model",
        build=partial(load, name, content),
        check_reading=partial(model.reading_fault, f"{name}.keras", layers=layers, role="layer"),
        memory=lambda _: 300.0 + 4 * len(content) / 1e6,
    )


def _layers(content: bytes) -> list[str]:
    """The names of a model's layers; FileError for a file that is none, or that holds a model of a class of one's own."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            config = json.loads(archive.read("config.json"))
        made = (config["module"], config["class_name"])
        layers = config["config"].get("layers", ())
        names = [str(layer["config"]["name"]) for layer in layers]
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise FileError(f"which cannot be read as a Keras model ({type(error).__name__}): save it as .keras") from error
    if not names:
        raise FileError(f"which holds a model of the class {made[1]}, but allowed is a sequential or functional one")
    return names


def load(name: str, content: bytes, layer: str | None, scaling: str) -> FileNetwork:
    """The network whose features are the values of `layer`, or of the model's only output; FileError as `part`."""
    with model.of_file(f"{name}.keras"):
        return _network(name, content, layer, scaling)


def _network(name: str, content: bytes, layer: str | None, scaling: str) -> FileNetwork:
    whole = _model(content)
    if len(whole.inputs) != 1 or (layer is None and len(whole.outputs) != 1):
        raise FileError(
            f"which has {len(whole.inputs)} inputs and {len(whole.outputs)} outputs, but allowed is one input, and one output "
            "where no layer is named"
        )
    given = Input.of(tuple(whole.inputs[0].shape), may_be_first=False)
    output = whole.outputs[0] if layer is None else whole.get_layer(layer).output
    part = tf.keras.Model(whole.inputs, output)
    compiled = tf.function(lambda x: tf.cast(part(x, training=False), tf.float32))

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(compiled(tf.constant(batch)))

    return model.network(name, run, given, sha256=model.sha256(content, layer, scaling), scaling=scaling)


def _model(content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        try:
            return tf.keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # whatever a file of another version, or with code in it, makes Keras raise
            said = " ".join(str(error).split())[:160]
            raise FileError(f"which cannot be loaded by Keras in its safe mode: {said}") from error


PART = FeaturesFilePart(name="keras", help="a model saved by Keras; evaluate.layer and evaluate.scaling", build=part)
