"""One side of `training_speed` in its own process: set up once, then timed whenever a line with seconds arrives.

`python -m benchmarks.training_side '{"side": "ours", "network": "quick", "threads": 1}'`; the sides are those of SIDES and
matmul (the largest rate of float32 matrix products). `layout` is for torch.
Answers are JSON lines.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial

import numpy as np

BATCH, EMA, STEPS, RATE, IMAGES = 64, 0.999, 2000, 1e-4, 2048
SIZES = (1024, 2048)  # of square matrices: the best of both is the peak


def ours(plan, images, settings, *, precision="float32"):
    """Our trainer as a worker sets it up."""
    from threadpoolctl import threadpool_limits

    from harness.worker import device

    threadpool_limits(settings["threads"])
    device.configure(threads=settings["threads"], gpu=None)
    from benchmarks import ours
    from harness.seeds import Seeds
    from harness.spec.models import TrainSpec

    train = TrainSpec(steps=STEPS, batch=BATCH, ema=EMA, threads=settings["threads"], precision=precision)
    trainer = ours.model(plan.name, train, images, latent=plan.latent)
    trainer.start(Seeds(1, 2, 3, 4))
    return trainer


def torch(plan, images, settings, **form):
    from benchmarks.peers import torch_gan

    torch_gan.settle(settings["threads"])
    return torch_gan.TorchGan(plan, images, batch=BATCH, ema=EMA, layout=settings["layout"], **form)


def jax(plan, images, settings):
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["NPROC"] = str(settings["threads"])  # the size of XLA's thread pools
    from benchmarks.peers.jax_gan import JaxGan

    return JaxGan(plan, images, batch=BATCH, ema=EMA)


def keras(plan, images, settings):
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from benchmarks.peers import keras_gan

    keras_gan.settle(settings["threads"])
    rates = np.full(STEPS, RATE, np.float32)
    return keras_gan.KerasGan(plan, images, batch=BATCH, ema=EMA, rates=(rates, rates))


SIDES = {
    "ours": ours,
    "ours_bfloat16": partial(ours, precision="mixed_bfloat16"),
    "torch": torch,
    "torch_bfloat16": partial(torch, autocast=True),
    "torch_compiled": partial(torch, compiled=True),
    "jax": jax,
    "keras": keras,
}


class Training:
    """A side that trains: answers with steps and seconds."""

    def __init__(self, settings):
        from benchmarks.peers.plan import PLANS

        plan = PLANS[settings["network"]]()
        shape = (IMAGES, plan.side, plan.side, plan.channels)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        self._gan = SIDES[settings["side"]](plan, images, settings)
        started = time.perf_counter()
        self._advance(1)  # traces and compiles
        self.facts = {"first_step_s": time.perf_counter() - started}
        self._advance(2)
        self._chunk, taken = 1, 0.0
        while taken < 0.25:  # about as long as a chunk of a study's run
            self._chunk *= 2
            started = time.perf_counter()
            self._advance(self._chunk)
            taken = time.perf_counter() - started

    def _advance(self, steps):
        rates = np.full(steps, RATE, np.float32)
        self._gan.advance({"generator": rates, "discriminator": rates})

    def __call__(self, seconds):
        started, cpu, steps = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - started < seconds:
            self._advance(self._chunk)
            steps += self._chunk
        return {"steps": steps, "seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}


class Products:
    """Rates of float32 matrix products by library, in GFLOP per second."""

    def __init__(self, settings):
        from threadpoolctl import threadpool_limits

        from harness.worker import device

        threads = settings["threads"]
        device.configure(threads=threads, gpu=None)
        import tensorflow as tf

        threadpool_limits(threads)
        self._kinds = {}
        for size in SIZES:
            square = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
            self._kinds[f"NumPy {size}"] = (size, lambda a=square: a @ a)
            tensor = tf.constant(square)
            self._kinds[f"TensorFlow {size}"] = (size, lambda a=tensor: tf.matmul(a, a).numpy()[0, 0])
            try:
                import torch as library
            except ModuleNotFoundError:
                continue
            library.set_num_threads(threads)
            other = library.from_numpy(square)
            self._kinds[f"PyTorch {size}"] = (size, lambda a=other: a @ a)
        for _, product in self._kinds.values():
            product()
        self.facts = {}

    def __call__(self, seconds):
        rates = {}
        for kind, (size, product) in self._kinds.items():
            started, times = time.perf_counter(), 0
            while time.perf_counter() - started < seconds / len(self._kinds):
                product()
                times += 1
            rates[kind] = 2e-9 * size**3 * times / (time.perf_counter() - started)
        return rates


def main():
    settings = json.loads(sys.argv[1])
    os.environ["OMP_NUM_THREADS"] = str(settings["threads"])
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    side = Products(settings) if settings["side"] == "matmul" else Training(settings)
    print(json.dumps(side.facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(side(float(line))), flush=True)


if __name__ == "__main__":
    main()
