"""What `python -m harness.metrics` is asked for, and everything that can be found wrong with it before features are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.metrics import images, inception_weights, metric, sanity, statistics_files
from harness.metrics.catalogue import NETWORKS
from harness.metrics.images import Input, InputError

SUBSET_SIZE = 1000
BLOCKS = 20  # of the jackknife


@dataclass(frozen=True)
class Request:
    """What is asked for; None is an option that was not given."""

    generated: Path
    real: Path
    held_out: Path | None = None
    features: str | None = None
    weights: Path | None = None
    subset_size: int | None = None
    interval: bool = False
    infinity: bool = False
    sanity: bool = False
    metrics: Sequence[str] = ()
    save_statistics: Path | None = None

    @property
    def network(self) -> str:
        """The feature network's name."""
        return self.features or "inception"

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
    found, faults = {}, []
    for key, (name, path) in given.items():
        try:
            found[key] = images.read(path, name=name)
        except InputError as error:
            faults.append(str(error))
    faults += _option_faults(request, [path for _, path in given.values()])
    if faults:
        raise InputError("\n".join(faults))
    return found


def _option_faults(request: Request, paths: list[Path]) -> list[str]:
    """What can be wrong with options whatever the inputs hold."""
    faults = []
    if request.subset_size is not None and request.subset_size < 2:
        faults.append(f"--subset-size is {request.subset_size}, but allowed is a whole number from 2")
    further = metric.extras()
    for name in request.metrics:
        if name not in further:
            allowed = (
                f"allowed is one of: {', '.join(further)}" if further else "no installed package has further metrics"
            )
            faults.append(f"--metric is {name}, but {allowed}")
    if request.weights is not None:
        if request.network != "inception":
            faults.append(f"--weights is {request.weights}, but --features {request.network} has weights of its own")
        else:
            try:
                inception_weights.check(request.weights, key="--weights")
            except inception_weights.WeightsError as error:
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
    network = NETWORKS[request.network]
    faults = []
    for each in inputs.values():
        wrong = sorted(
            size for size in each.sizes if network.sides and (size[0] != size[1] or size[0] not in network.sides)
        )
        if wrong:
            allowed = " or ".join(f"{side}x{side}" for side in network.sides)
            more = f" and {len(wrong) - 1} other sizes" if len(wrong) > 1 else ""
            faults.append(
                f"{each.name} is {each.path}, with images of {wrong[0][0]}x{wrong[0][1]} pixels{more}, "
                f"but --features {request.network} takes {allowed}; --features inception takes any"
            )
    faults += _dimension_faults(request, inputs)
    dimensions = network.dimensions if real.moments is None else len(real.moments.mean)
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
    if generated.moments is None and request.infinity and generated.count < 4 * dimensions:
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


def _dimension_faults(request: Request, inputs: Mapping[str, Input]) -> list[str]:
    """One sentence if not all inputs have as many features an image."""
    found = {
        name: NETWORKS[request.network].dimensions if each.moments is None else len(each.moments.mean)
        for name, each in inputs.items()
    }
    if len(set(found.values())) == 1:
        return []
    words = [
        f"{each.name} ({each.path}) has {'statistics' if each.moments is not None else f'{request.network} features'} "
        f"of {found[name]} dimensions"
        for name, each in inputs.items()
    ]
    return [", ".join(words) + ": they must be equal, which features of one network are"]
