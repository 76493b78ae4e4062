"""Pre-flight checks: everything about a study that can be found wrong before TensorFlow is loaded."""

from __future__ import annotations

import math
from pathlib import Path

from harness import data, kinds
from harness.data import data_set
from harness.executors import resources
from harness.metrics import extractor, metric
from harness.scores import ScoreName
from harness.spec import StudySpec


class CheckError(ValueError):
    """A study that cannot be run here; one line per fault."""


def primary(spec: StudySpec) -> ScoreName:
    """The score the verdicts rest on."""
    name = metric.score_name(spec.question.score, kinds.plain(spec.evaluate.features), spec.evaluate.generated)
    return name.averaged if spec.question.weights == "ema" else name


def primary_score(spec: StudySpec) -> str:
    """Full name of the score the verdicts rest on, such as `fid_digits_5k` or `kid_inception_10k_ema`."""
    return str(primary(spec))


def check(spec: StudySpec, *, source: str, here: bool = True, output: Path | None = None) -> None:
    """Raise CheckError naming every key that does not fit the others, the data or (if runs train here) this machine.

    What a worker demands as it is set up is asked for here, as far as it can be known without TensorFlow. `output` is
    the results folder.
    """
    faults = [*_code_faults(spec), *_shape_faults(spec), *_data_faults(spec, output)]
    faults += [*_weights_faults(spec), *_reading_faults(spec)]
    if here and spec.train.threads > resources.cores():
        faults.append(f"train.threads is {spec.train.threads}, but this machine has {resources.cores()} cores")
    if faults:
        raise CheckError("\n".join(f"{source}: {fault}" for fault in faults))


def _code_faults(spec: StudySpec) -> list[str]:
    """Files of the user's own that the command line has not allowed to be executed."""
    return [
        f"{named.key} is {named.name!r}: code of your own is executed only with --allow-code, since it may do all that you may"
        for named in spec.named_code()
        if named.file not in spec.sources
    ]


def _shape_faults(spec: StudySpec) -> list[str]:
    """Network and feature network against the size of the images."""
    size, channels = data.shape(spec.data)
    faults = []
    instead = spec.network.part.fits((size, size, channels))
    if instead is not None:
        faults.append(
            f"network.name is '{spec.network.name}', which makes {instead}, but [data] gives {size}x{size}x{channels}; "
            "set data.size and data.channels"
        )
    shape = (size, size, channels)
    taken = extractor.find(spec.evaluate.features, key="evaluate.features").fits(shape)
    if taken is not None:
        others = [f"'{name}'" for name in extractor.that_take([shape])]
        faults.append(
            f"evaluate.features is '{spec.evaluate.features}', which takes {taken}, but [data] gives {size}"
            + (f"; choose {' or '.join(others)}, which {'take' if len(others) > 1 else 'takes'} them" if others else "")
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
    reads_all = "data_dir" in data_set.find(spec.data).needs
    if reads_all and output is not None and spec.data.data_dir is not None:
        inside = spec.data.data_dir.resolve()
        if inside in (output.resolve(), *output.resolve().parents):
            faults.append(
                f"data.data_dir is {spec.data.data_dir}, which holds the results folder {output}, whose sample grids would "
                "be taken for images; choose another --output"
            )
    return faults


def _reading_faults(spec: StudySpec) -> list[str]:
    """A layer or a scaling that does not fit the user's own model."""
    check = extractor.find(spec.evaluate.features, key="evaluate.features").check_reading
    fault = None if check is None else check(spec.evaluate.layer, spec.evaluate.scaling)
    return [] if fault is None else [f"evaluate.{fault[0]} {fault[1]}"]


def _weights_faults(spec: StudySpec) -> list[str]:
    """A weights file that is to be used, but cannot be."""
    path = spec.evaluate.weights
    check = extractor.find(spec.evaluate.features, key="evaluate.features").check_weights
    if path is None or check is None:
        return []
    try:
        check(path, "evaluate.weights")
    except ValueError as error:
        return [str(error)]
    return []
