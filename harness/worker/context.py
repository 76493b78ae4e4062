"""Builds what the runs of one study share in a process, and times it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
import math
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import data, files, kinds, own_code, schedules
from harness.metrics import features, sanity
from harness.metrics.evaluation import Evaluator
from harness.models.model import Model
from harness.own_code import CodeError
from harness.schedules import ALL, ShapePart
from harness.seeds import Seeds
from harness.spec import StudySpec, TrainedWith
from harness.version import __version__
from harness.worker import device
from harness.worker.compilation import Models
from harness.worker.run import WorkerContext, grid

_LONG_SECONDS = 30.0  # an evaluation that takes as long is not done twice to tell what its set-up took
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "optuna", "pandas", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of this package and of those that numbers depend on."""
    return {"harness": __version__, **{name: importlib.metadata.version(name) for name in PACKAGES}}


def build(spec: StudySpec, *, cache: Path | None, commit: str) -> WorkerContext:
    """Load the images and build model and evaluator of `spec` in this process.

    Executes the files of the user's own that the study carries; raises CodeError for one that fails.
    """
    _adopt(spec)
    builder = spec.model.part.builder
    if spec.controls and "controls" not in inspect.signature(builder).parameters:
        raise ValueError(
            f"model.name is '{spec.model.name}', which cannot change {', '.join(spec.controls)} within a run or from run to run: "
            "leave out train.scheduled, space.weight_decay and weight_decay of schedules"
        )
    images = data.load(spec.data)
    environment: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": processor(),
        "device": device.describe(),
        "numerics": device.numerics(),
        "versions": versions(),
        "commit": commit,
    }
    evaluate = spec.evaluate
    extractor = features.load(
        evaluate.features, weights=evaluate.weights, layer=evaluate.layer, scaling=evaluate.scaling
    )
    if extractor.name != kinds.plain(spec.evaluate.features):
        raise CodeError(
            f"evaluate.features is {spec.evaluate.features!r}, whose network calls itself {extractor.name!r}; its name, "
            f"which scores bear, must be {kinds.plain(spec.evaluate.features)!r}"
        )
    evaluator = Evaluator(
        extractor,
        train=images.train,
        held_out=images.held_out,
        reference=spec.evaluate.reference,
        generated=spec.evaluate.generated,
        cache=cache / _kind(environment) if cache is not None else None,
        fingerprint=images.fingerprint,
        extras=(*spec.evaluate.metrics, spec.question.score),
    )

    def built(trained_with: TrainedWith, *, xla: bool | str) -> Model:
        train = spec.train.model_copy(update={**trained_with._asdict(), "xla": xla})
        further: dict[str, Any] = {"labels": images.train_labels} if spec.train.conditional else {}
        further |= {"controls": spec.controls} if spec.controls else {}
        model: Model = builder(spec.network, train, images.train, spec.model.settings, **further)
        return model

    models = Models(spec, built)
    context = WorkerContext(spec, images, models, evaluator, environment, cache=cache)
    environment["xla"] = bool(getattr(context.model, "xla", False))
    if environment["xla"]:  # moves the last bits of numbers; runs of earlier versions have it where it is said of them
        environment["numerics"]["xla"] = True
    if models.notes:
        environment["notes"] = models.notes
    networks = context.model.networks
    if spec.train.applies_to not in (ALL, *networks):
        allowed = ", ".join((ALL, *networks))
        raise ValueError(f"train.applies_to is {spec.train.applies_to!r}, but allowed is one of: {allowed}")
    for label in spec.schedules:
        for fault in spec.scope_faults(label, networks):
            raise ValueError(fault)
        for shape in spec.schedules[label].shapes().values():
            missing = [name for name in schedules.losses_read(shape.kind) if name not in context.model.losses]
            if missing:
                raise ValueError(
                    f"schedules.{label} is of the rule '{shape.kind}', which reads the loss '{missing[0]}', but the losses of "
                    f"model.name '{spec.model.name}' are: {', '.join(context.model.losses)}"
                )
    return context


def _adopt(spec: StudySpec) -> None:
    """Execute the files that the study names and carries, so that their parts are known here."""
    named = spec.named_code()
    own_code.forget(named)
    roles = spec.model.part.networks

    def networks(name: str, function: Any) -> kinds.Part:
        from harness.models import keras_network

        for label in spec.schedules:
            if spec.precision(label) != spec.train.precision:
                raise CodeError(
                    f"schedules.{label}.precision is '{spec.precision(label)}', but network.name is {name!r}, whose layers are "
                    f"Keras' and have one precision throughout the study: allowed is train.precision, '{spec.train.precision}'"
                )
        return keras_network.part_of(name, function, roles=roles, precision=spec.train.precision)

    make = {"schedule": lambda name, shape: ShapePart.of(shape), "network": networks}
    carried = [each for each in named if each.file in spec.sources]
    if carried:
        own_code.adopt(carried, spec.sources, make=make)
    own_code.adopt_networks(spec.named_networks(), spec.sources)


def _kind(environment: dict[str, Any]) -> str:
    """A name for all that moves the last bits of features: machines and settings that differ share none of them."""
    facts = {name: environment[name] for name in ("cpu", "device", "numerics", "versions")}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def processor() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def probe(context: WorkerContext, *, started: float) -> dict[str, float]:
    """Seconds of set-up (with the first trace), of a step, and of one evaluation of all weights that are scored.

    And bytes of a checkpoint and of a sample grid.
    """
    spec = context.spec
    context.model.start(Seeds.of(spec.seed, "probe", 0))
    low = spec.space.peak if isinstance(spec.space.peak, float) else spec.space.peak.low

    def advance(steps: int) -> float:
        before = time.monotonic()
        rates = dict.fromkeys(context.model.networks, np.full(steps, low, np.float32))
        controls = {name: np.full(steps, getattr(spec.train, name, 0.0), np.float32) for name in spec.controls}
        context.model.advance(rates, **({"controls": controls} if controls else {}))
        return time.monotonic() - before

    advance(1)
    set_up = time.monotonic() - started
    steps, seconds = 2, advance(2)
    while seconds < 1.0:
        steps *= 2
        seconds = advance(steps)

    def evaluate() -> tuple[NDArray[np.uint8], float]:
        """Images of the raw weights, and the seconds of making and scoring them: those of all weights take as long."""
        before = time.monotonic()
        images = context.model.generate(context.latents, weights="raw")
        context.evaluator.scores(images)
        return images, time.monotonic() - before

    images, first = evaluate()  # the first one also traces and prepares the reference
    once = evaluate()[1] if first < _LONG_SECONDS else first
    return {
        "set_up": set_up + first - once,
        "step": seconds / steps,
        "evaluation": once * len(context.weights),
        "checkpoint": float(sum(array.nbytes for array in context.model.state().values())),
        "grid": float(len(grid(images))),
    }


def facts(context: WorkerContext) -> dict[str, Any]:
    """What study.json says of data, features, scores and floor; and a grid (PNG) of real images."""
    images, evaluator = context.images, context.evaluator
    floor = evaluator.floor()
    if not all(map(math.isfinite, floor.values())):
        raise data.DataError(
            f"data.name is '{images.name}', whose images have no detail at all (each is of one colour): neither noise nor "
            "detail of generated images can be compared with theirs"
        )
    return {
        "data": {
            "name": images.name,
            "fingerprint": images.fingerprint,
            "train": len(images.train),
            "held_out": len(images.held_out),
            "shape": list(images.train.shape[1:]),
            **({"notes": list(images.notes)} if images.notes else {}),
        },
        "features": {
            "name": evaluator.extractor.name,
            "sha256": evaluator.extractor.sha256,
            "dimensions": evaluator.extractor.dimensions,
            **evaluator.geometry(),
        },
        "scores": evaluator.describe(),
        "floor": floor,
        "environment": context.environment,
        "real": grid(images.train[:64]),
    }


def summary(context: WorkerContext) -> dict[str, Any]:
    """The facts, and what the primary score makes of damaged real images."""
    return facts(context) | {"sanity": _sanity(context)}


def _sanity(context: WorkerContext) -> list[dict[str, Any]]:
    """The damages as plain values, from the cache of reference features if there: they follow from data and features."""
    images, extractor, metric = context.images, context.evaluator.extractor, context.spec.question.score
    generated = context.spec.evaluate.generated
    key = "/".join((sanity.VERSION, images.fingerprint, extractor.sha256, metric, str(generated)))
    path = None if context.cache is None else context.cache / f"sanity-{hashlib.sha256(key.encode()).hexdigest()}.json"
    if path is not None:
        try:
            found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError):
            pass  # not there, or damaged: measured again
    chosen, places = sanity.pool((images.train, images.held_out), dimensions=extractor.dimensions)
    labels = _labels(images)
    measured = sanity.measure(
        extractor, chosen, metric=metric, labels=None if labels is None else labels[places], count=generated
    )
    made = [asdict(each) for each in measured]
    if path is not None:
        files.write(path, json.dumps(made).encode())
    return made


def _labels(images: data.ImageSet) -> NDArray[np.int64] | None:
    """Classes of the training images, then of the held-out ones, where both are known."""
    if images.train_labels is None or images.held_out_labels is None:
        return None
    labels = np.concatenate([images.train_labels, images.held_out_labels])
    return labels if len(labels) == len(images.train) + len(images.held_out) else None
