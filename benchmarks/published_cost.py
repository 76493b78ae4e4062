"""Arithmetic of a run of each published setting, and GPU hours: `python -m benchmarks.published_cost [STUDY.toml ...]`.

A step is run once, operation by operation, with two images per batch; multiplications and additions of its convolutions and
products are counted from their shapes and multiplied to the study's batch. Penalties that are added at every k-th update
count once in k. Hours are those at a stated rate of arithmetic; evaluations are not counted. Prints a line per study.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness import data
from harness.lazy import tf
from harness.seeds import Seeds
from harness.spec import loading
from harness.spec.models import StudySpec
from harness.worker import device

SUSTAINED = 10.0  # TFLOP/s: what such networks reach in float32 on a recent GPU, about a third of its peak
_IMAGES = 2


def flops(kind: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], attributes: dict[str, Any]) -> int:
    """Multiplications and additions of an operation by its shapes; 0 of those that are not counted."""
    if kind in ("MatMul", "BatchMatMulV2"):
        adjoint = attributes.get("transpose_a", attributes.get("adj_x", False))
        return 2 * int(np.prod(output)) * inputs[0][-2 if adjoint else -1]
    if kind == "Conv2D":
        return 2 * int(np.prod(output)) * int(np.prod(inputs[1][:3]))
    if kind == "Conv2DBackpropInput":  # sizes, kernel, slope of the convolution's output
        return 2 * int(np.prod(inputs[2])) * int(np.prod(inputs[1][:3]))
    if kind == "Conv2DBackpropFilter":  # images, sizes, slope of the convolution's output
        return 2 * int(np.prod(inputs[2])) * int(np.prod(output[:3]))
    if kind == "DepthwiseConv2dNative":
        return 2 * int(np.prod(output)) * int(np.prod(inputs[1][:2]))
    return 0


def counted(work: Callable[[], Any]) -> int:
    """Multiplications and additions of all that `work` executes."""
    from tensorflow.python.framework import op_callbacks

    total = 0

    def seen(kind: Any, inputs: Any, attributes: Any, outputs: Any, *_: Any, **__: Any) -> None:
        nonlocal total
        name = kind.decode() if isinstance(kind, bytes) else kind
        given = dict(zip(attributes[::2], attributes[1::2], strict=True)) if isinstance(attributes, tuple) else {}
        shapes = [tuple(each.shape) if each.shape.rank is not None else () for each in inputs]
        total += flops(name, shapes, tuple(outputs[0].shape) if outputs else (), given)

    op_callbacks.add_op_callback(seen)
    try:
        work()
    finally:
        op_callbacks.remove_op_callback(seen)
    return total


def step_flops(spec: StudySpec) -> float:
    """Multiplications and additions of one step of `spec`, at its batch."""
    size, channels = data.shape(spec.data)
    images = np.random.default_rng(0).integers(0, 256, (100, size, size, channels), dtype=np.uint8)
    ratio = (spec.train.generator_batch or spec.train.batch) / spec.train.batch
    small = {"batch": _IMAGES, "generator_batch": None, "discriminator_steps": 1, "precision": "float32", "xla": False}
    further = {"labels": np.arange(100, dtype=np.int64) % 10} if spec.train.conditional else {}

    def of(step: int = 0, **changes: Any) -> int:
        train = spec.train.model_copy(update={**small, **changes})
        model = spec.model.part.builder(spec.network, train, images, spec.model.settings, **further)
        model.start(Seeds.of(0, "cost", 0))
        rates = {name: tf.constant(1e-4) for name in model.networks}
        return counted(lambda: model._step(tf.constant(step, tf.int64), rates, {}))

    times = spec.train.batch / _IMAGES
    if "discriminator_steps" not in spec.model.part.reads:
        seldom = getattr(spec.model.settings, "r1_every", 1)  # ddgan's penalty, which comes with the first of so many
        return times * (of() + (seldom - 1) * of(step=1)) / seldom if seldom > 1 else times * of()
    plain = of(penalties=())
    update = of(penalties=(), discriminator_steps=2) - plain  # of the discriminator, with images made for it
    generator = plain - update if spec.train.updates == "alternating" else plain
    lazily = 0.0
    for penalty in spec.train.penalties:
        settings = penalty.settings
        once = penalty.model_copy(update={"every": 1})
        lazily += (of(penalties=(once,)) - plain) / getattr(settings, "every", 1)
    updates = spec.train.discriminator_steps - (0 if spec.train.updates == "alternating" else 1)
    return times * (generator * ratio + updates * update + spec.train.discriminator_steps * lazily)


@dataclasses.dataclass(frozen=True)
class Cost:
    """GFLOP of a step, PFLOP of a run, and its hours at SUSTAINED."""

    study: str
    step: float
    run: float

    @property
    def hours(self) -> float:
        """Hours of one run."""
        return self.run * 1e15 / (SUSTAINED * 1e12) / 3600


def cost(spec: StudySpec) -> Cost:
    """The cost of one run."""
    step = step_flops(spec)
    return Cost(spec.name, step / 1e9, step * spec.train.steps / 1e15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", type=Path, default=sorted(Path("studies/published").glob("*.toml")))
    device.configure(threads=2, gpu=None)
    print("| study | GFLOP per step | PFLOP per run | hours per run at 10 TFLOP/s |\n|---|---|---|---|")
    for path in parser.parse_args().studies:
        found = cost(loading.load(path))
        print(f"| {found.study} | {found.step:,.0f} | {found.run:,.1f} | {found.hours:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
