"""Pre-flight checks: everything about a study that can be found wrong before TensorFlow is loaded."""

from __future__ import annotations

import math
from pathlib import Path

from harness import data
from harness.executors import resources
from harness.metrics import evaluation, inception_weights
from harness.spec import StudySpec

NETWORKS = {
    "dcgan": "compact DCGAN that sizes itself to 8 to 64 pixels, 1 or 3 channels",
    "article": "the article's generator and discriminator, layer for layer, 32x32x3",
}
FEATURES = {
    "digits": "our small classifier of handwritten digits, 8x8",
    "fashion_mnist": "our small classifier of Fashion-MNIST, 28x28 or padded to 32x32",
    "inception": "the Inception network of 2015-12-05 (FID and KID as published), any size",
}


class CheckError(ValueError):
    """A study that cannot be run here; one line per fault."""


def primary_score(spec: StudySpec) -> str:
    """Full name of the score the verdicts rest on, such as `fid_digits_5k` or `kid_inception_10k_ema`."""
    name = evaluation.score_name(spec.question.score, spec.evaluate.features, spec.evaluate.generated)
    return name + ("_ema" if spec.question.weights == "ema" else "")


def check(spec: StudySpec, *, source: str, here: bool = True, output: Path | None = None) -> None:
    """Raise CheckError naming every key that does not fit the others, the data or (if runs train here) this machine.

    What a worker demands as it is set up is asked for here, as far as it can be known without TensorFlow. `output` is
    the results folder.
    """
    faults = [*_shape_faults(spec), *_data_faults(spec, output), *_weights_faults(spec)]
    if here and spec.train.threads > resources.cores():
        faults.append(f"train.threads is {spec.train.threads}, but this machine has {resources.cores()} cores")
    if faults:
        raise CheckError("\n".join(f"{source}: {fault}" for fault in faults))


def _shape_faults(spec: StudySpec) -> list[str]:
    """Network and feature network against the size of the images."""
    size, channels = data.shape(spec.data)
    faults = []
    if spec.network.name == "article" and (size, channels) != (32, 3):
        faults.append(
            f"network.name is 'article', which makes 32x32x3 images, but [data] gives {size}x{size}x{channels}; "
            "set data.size = 32 and data.channels = 3"
        )
    if spec.network.name == "dcgan" and (size > 64 or size % 4):
        faults.append(f"network.name is 'dcgan', which makes images of 8, 12, … 64 pixels, but data.size is {size}")
    allowed = {"digits": (8,), "fashion_mnist": (28, 32)}.get(spec.evaluate.features)
    if allowed is not None and size not in allowed:
        others = " or ".join(str(each) for each in allowed)
        faults.append(
            f"evaluate.features is '{spec.evaluate.features}', which takes images of {others} pixels, "
            f"but [data] gives {size}; choose 'inception', which takes any size"
        )
    return faults


def _data_faults(spec: StudySpec, output: Path | None) -> list[str]:
    try:
        data.check(spec.data)
        train, held_out = data.sizes(spec.data.model_copy(update={"limit": None}))
    except data.DataError as error:
        return [str(error)]
    faults = []
    if min(train, held_out) < data.FEWEST:
        whole = train + held_out
        low, high = math.ceil(1000 * data.FEWEST / whole) / 1000, math.floor(1000 - 1000 * data.FEWEST / whole) / 1000
        faults.append(
            f"data.held_out is {spec.data.held_out:g}, which leaves {train} of {whole} images for training and {held_out} "
            f"held out, but either part needs {data.FEWEST}: allowed is {low:g} to {high:g}"
        )
    if spec.data.name == "folder" and output is not None and spec.data.data_dir is not None:
        inside = spec.data.data_dir.resolve()
        if inside in (output.resolve(), *output.resolve().parents):
            faults.append(
                f"data.data_dir is {spec.data.data_dir}, which holds the results folder {output}, whose sample grids would "
                "be taken for images; choose another --output"
            )
    return faults


def _weights_faults(spec: StudySpec) -> list[str]:
    """A weights file that is to be used, but cannot be; a frozen graph is only looked for, since TensorFlow reads it."""
    path = spec.evaluate.weights
    if path is None or spec.evaluate.features != "inception":
        return []
    try:
        if path.suffix == ".pb" and path.is_file():
            return []
        inception_weights.read(path)
    except inception_weights.WeightsError as error:
        return [str(error)]
    return []
