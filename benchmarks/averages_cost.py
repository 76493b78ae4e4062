"""What further moving averages cost: `python -m benchmarks.averages_cost`.

The same GAN with 1, 3 and 5 averages of its generator, in the same loop with the same batches; they take turns, so that the
machine's other load meets all alike. Prints a line per network: median milliseconds per step of each, and the ratio to one
average.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from benchmarks import ours
from benchmarks.record import figure, save
from harness.seeds import Seeds
from harness.spec.models import TrainSpec
from harness.worker import device

BATCH = 64
DECAYS = (0.999, 0.9, 0.99, 0.9999, 0.99999)
COUNTS = (1, 3, 5)
# The quick study's, a compact DCGAN for 28x28, and the article's network: name, shape, settings.
NETWORKS = {
    "quick": ("dcgan", (8, 8, 1), {"latent": 64, "width": 32}),
    "dcgan 28x28": ("dcgan", (28, 28, 1), {"latent": 64, "width": 32}),
    "article": ("article", (32, 32, 3), {"latent": 100}),
}


def compare(network, *, rounds, seconds):
    """Milliseconds per step by number of averages, medians over rounds; and how many weights are averaged."""
    name, shape, settings = NETWORKS[network]
    images = np.random.default_rng(0).integers(0, 256, (1000, *shape), dtype=np.uint8)
    models = {
        count: ours.model(name, TrainSpec(steps=1, batch=BATCH, ema=DECAYS[:count]), images, **settings)
        for count in COUNTS
    }
    for made in models.values():
        made.start(Seeds.of(0, "benchmark", 0))
        made.advance(ours.both(np.full(2, 2e-4, np.float32)))  # traced before it is timed
    before = time.perf_counter()
    models[1].advance(ours.both(np.full(4, 2e-4, np.float32)))
    rates = np.full(max(4, int(4 * seconds / (time.perf_counter() - before))), 2e-4, np.float32)
    times = {count: [] for count in models}
    for _ in range(rounds):
        for count, made in models.items():
            before = time.perf_counter()
            made.advance(ours.both(rates))
            times[count].append((time.perf_counter() - before) / len(rates) * 1e3)
    return {count: statistics.median(each) for count, each in times.items()}, models[1].parameters()["generator"]


def main():
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--seconds", type=float, default=1.0, help="per network and round")
    chosen = options.parse_args()
    device.configure(threads=1, gpu=None)
    figures = []
    for network in NETWORKS:
        taken, weights = compare(network, rounds=chosen.rounds, seconds=chosen.seconds)
        words = ", ".join(f"{count}: {each:.2f} ms ({each / taken[1]:.3f} x)" for count, each in taken.items())
        print(f"{network}, {weights:,} averaged weights; per step with averages {words}", flush=True)
        figures += [
            figure(f"step with {count} averages against 1, {network}", taken[count] / taken[1], "x")
            for count in COUNTS[1:]
        ]
    save("averages_cost", figures, [])


if __name__ == "__main__":
    main()
