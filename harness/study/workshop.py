"""Builds what the runs of one study share in a process, and times it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__, data
from harness.gan import device
from harness.gan.trainer import RunSeeds, Trainer
from harness.metrics import features
from harness.metrics.evaluation import Evaluator
from harness.spec import StudySpec
from harness.study.design import Seeds
from harness.study.run import Workshop, grid

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "optuna", "pandas", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of this package and of those that numbers depend on."""
    return {"harness": __version__, **{name: importlib.metadata.version(name) for name in PACKAGES}}


def build(spec: StudySpec, *, cache: Path | None, commit: str) -> Workshop:
    """Load the images and build networks, trainer and evaluator of `spec` in this process."""
    images = data.load(spec.data)
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": processor(),
        "device": device.describe(),
        "numerics": device.numerics(),
        "versions": versions(),
        "commit": commit,
    }
    extractor = features.load(spec.evaluate.features, weights=spec.evaluate.weights)
    evaluator = Evaluator(
        extractor,
        train=images.train,
        held_out=images.held_out,
        reference=spec.evaluate.reference,
        generated=spec.evaluate.generated,
        cache=cache / _kind(environment) if cache is not None else None,
        fingerprint=images.fingerprint,
    )
    trainer = Trainer(spec.network, spec.train, images.train)
    return Workshop(spec, images, trainer, evaluator, environment)


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


def probe(shop: Workshop, *, started: float) -> dict[str, float]:
    """Seconds of set-up (with the first trace), of a step, and of one evaluation of both generators."""
    spec = shop.spec
    shop.trainer.start(RunSeeds(**vars(Seeds.of(spec.seed, "probe", 0))))
    low = spec.space.peak if isinstance(spec.space.peak, float) else spec.space.peak.low

    def advance(steps: int) -> float:
        before = time.monotonic()
        shop.trainer.advance(np.full(steps, low, np.float32), np.full(steps, low, np.float32))
        return time.monotonic() - before

    advance(2)
    set_up = time.monotonic() - started
    steps, seconds = 4, advance(4)
    while seconds < 1.0:
        steps *= 2
        seconds = advance(steps)
    before = time.monotonic()
    for ema in (False, True):
        shop.evaluator.scores(shop.trainer.generate(shop.latents, ema=ema))
    first = time.monotonic() - before  # the first one also traces and prepares the reference
    before = time.monotonic()
    for ema in (False, True):
        shop.evaluator.scores(shop.trainer.generate(shop.latents, ema=ema))
    evaluation = time.monotonic() - before
    return {"set_up": set_up + first - evaluation, "step": seconds / steps, "evaluation": evaluation}


def summary(shop: Workshop) -> dict[str, Any]:
    """What study.json says of data, features, scores and floor; and a grid (PNG) of real images."""
    images, evaluator = shop.images, shop.evaluator
    return {
        "data": {
            "name": images.name,
            "fingerprint": images.fingerprint,
            "train": len(images.train),
            "held_out": len(images.held_out),
            "shape": list(images.train.shape[1:]),
        },
        "features": {
            "name": evaluator.extractor.name,
            "sha256": evaluator.extractor.sha256,
            "dimensions": evaluator.extractor.dimensions,
        },
        "scores": evaluator.describe(),
        "floor": evaluator.floor(),
        "environment": shop.environment,
        "real": grid(images.train[:64]),
    }
