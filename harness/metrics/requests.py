"""What `python -m harness.metrics` is asked for, and everything that can be found wrong with it before features are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from harness import kinds
from harness.metrics import extractor, images, metric, sanity, statistics_files
from harness.metrics.extractor import FeaturesPart
from harness.metrics.images import Input, InputError, Source

SUBSET_SIZE = 1000
BLOCKS = 20  # of the jackknife


@dataclass(frozen=True)
class Request:
    """What is asked for; None is an option that was not given."""

    generated: Source
    real: Source
    held_out: Source | None = None
    features: str | None = None
    weights: Path | None = None
    layer: str | None = None
    scaling: str | None = None
    subset_size: int | None = None
    interval: bool = False
    infinity: bool = False
    sanity: bool = False
    metrics: Sequence[str] = ()
    save_statistics: Path | None = None

    @cached_property
    def network(self) -> FeaturesPart:
        """The feature network; KindError for a name or a file that is none."""
        name = self.features or "inception"
        if PurePath(name).suffix and name not in extractor.declared():
            return extractor.of_file(Path(name), key="--features")
        return extractor.find(name, key="--features")

    @property
    def subset(self) -> int:
        """Images per subset of kid_subsets."""
        return self.subset_size or SUBSET_SIZE


def read(request: Request) -> tuple[dict[str, Input], list[str]]:
    """The inputs, described but not decoded, and warnings; raises InputError with a line for each thing that is wrong."""
    inputs = _described(request)
    faults, warnings = images.overlaps(inputs)
    faults += _faults(request, inputs)
    if faults:
        raise InputError("\n".join(faults))
    return inputs, warnings


def _described(request: Request) -> dict[str, Input]:
    """The inputs, described but not decoded; everything that is wrong with any of them in one InputError."""
    given = {"generated": ("GENERATED", request.generated), "real": ("REAL", request.real)}
    if request.held_out is not None:
        given["held_out"] = ("--held-out", request.held_out)
    inputs: dict[str, Input] = {}
    faults: list[str] = []
    for key, (name, path) in given.items():
        try:
            inputs[key] = images.read(path, name=name)
        except InputError as error:
            faults.append(str(error))
    try:
        faults += [
            *_network_faults(request),
            *_option_faults(request, [path for _, path in given.values() if isinstance(path, Path)]),
        ]
    except kinds.KindError as error:
        faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return inputs


def _network_faults(request: Request) -> list[str]:
    """How a model of one's own is read, against what is known of it."""
    if request.network.check_reading is not None:
        fault = request.network.check_reading(request.layer, request.scaling)
        return [] if fault is None else [f"--{fault[0]} {fault[1]}"]
    given = {"layer": request.layer, "scaling": request.scaling}
    return [
        f"--{option} is {value}, but --features {request.network.name} says itself how it is read"
        for option, value in given.items()
        if value is not None
    ]


def _option_faults(request: Request, paths: list[Path]) -> list[str]:
    """What can be wrong with options whatever the inputs hold."""
    faults = []
    if request.subset_size is not None and request.subset_size < 2:
        faults.append(f"--subset-size is {request.subset_size}, but allowed is a whole number from 2")
    further = metric.extras()
    for name in request.metrics:
        if name not in further:
            faults.append(f"--metric is {name}, but allowed is one of: {', '.join(further)}")
    if request.weights is not None:
        name, check = request.network.name, request.network.check_weights
        if check is None:
            faults.append(f"--weights is {request.weights}, but --features {name} has weights of its own")
        else:
            try:
                check(request.weights, "--weights")
            except ValueError as error:
                faults.append(str(error))
    if request.save_statistics is not None:
        others = [*paths, *([request.weights] if request.weights is not None else [])]
        fault = statistics_files.target_fault(request.save_statistics, others)
        if fault is not None:
            faults.append(f"--save-statistics is {request.save_statistics}, {fault}")
    return faults


def _faults(request: Request, inputs: Mapping[str, Input]) -> list[str]:
    """What of inputs and options does not go together, from numbers and sizes of images alone."""
    generated, real = inputs["generated"], inputs["real"]
    faults = [fault for each in inputs.values() for fault in _size_faults(request.network, each)]
    faults += _dimension_faults(request, inputs)
    dimensions = _dimensions(request.network, real)
    needs = {"--interval": request.interval, "--infinity": request.infinity}
    needs["--save-statistics"] = request.save_statistics is not None
    for option in (name for name, asked in needs.items() if asked and generated.moments is not None):
        faults.append(f"{option} needs images, but GENERATED is {generated.path}, which holds statistics")
    if request.sanity:
        faults += _sanity_faults(real)
    if generated.moments is not None:
        pass
    elif request.interval and generated.count < 2 * BLOCKS:
        faults.append(f"--interval needs {2 * BLOCKS} images, but GENERATED ({generated.path}) has {generated.count}")
    if generated.moments is None and request.infinity and dimensions and generated.count < 4 * dimensions:
        faults.append(
            f"--infinity needs 4 images for each of {dimensions} dimensions = {4 * dimensions}, "
            f"but GENERATED ({generated.path}) has {generated.count}"
        )
    if request.subset_size is not None:
        for each in (generated, real):
            if each.moments is not None:
                faults.append(f"--subset-size needs images, but {each.name} is {each.path}, which holds statistics")
            elif each.count < request.subset_size:
                faults.append(
                    f"--subset-size is {request.subset_size}, but {each.name} ({each.path}) has {each.count} images"
                )
    return faults


def _sanity_faults(real: Input) -> list[str]:
    """Why what the scores see cannot be measured on REAL."""
    if real.moments is not None:
        return [f"--sanity needs images, but REAL is {real.path}, which holds statistics"]
    if real.count < sanity.FEWEST:
        return [f"--sanity needs {sanity.FEWEST} images, but REAL ({real.path}) has {real.count}"]
    return []


def _size_faults(network: FeaturesPart, given: Input) -> list[str]:
    """Why the images of an input cannot be taken by the network, in one sentence or none."""
    shapes = [(*size, 3) for size in sorted(given.sizes)]
    wrong = [(shape, taken) for shape in shapes if (taken := network.fits(shape)) is not None]
    if not wrong:
        return []
    (height, width, _), taken = wrong[0]
    more = f" and {len(wrong) - 1} other sizes" if len(wrong) > 1 else ""
    others = [f"--features {name}" for name in extractor.that_take(shapes)]
    hint = f"; {' or '.join(others)} {'take' if len(others) > 1 else 'takes'} them" if others else ""
    return [
        f"{given.name} is {given.path}, with images of {height}x{width} pixels{more}, "
        f"but --features {network.name} takes {taken}{hint}"
    ]


def _dimensions(network: FeaturesPart, given: Input) -> int | None:
    """Features per image of an input, where known before they are computed."""
    return network.dimensions if given.moments is None else len(given.moments.mean)


def _dimension_faults(request: Request, inputs: Mapping[str, Input]) -> list[str]:
    """One sentence if not all inputs have as many features per image."""
    dimensions = {name: _dimensions(request.network, given) for name, given in inputs.items()}
    if len(set(dimensions.values()) - {None}) <= 1:
        return []
    words = [
        f"{given.name} ({given.path}) has "
        f"{'statistics' if given.moments is not None else f'{request.network.name} features'} "
        f"of {dimensions[name]} dimensions"
        for name, given in inputs.items()
        if dimensions[name] is not None
    ]
    return [", ".join(words) + ": they must be equal, which features of one network are"]
