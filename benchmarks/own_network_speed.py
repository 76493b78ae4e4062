"""Step time of a Keras file against the same network built in: `python -m benchmarks.own_network_speed`.

Both are `dcgan`, layer for layer, in the same loop with the same batches; they take turns, so that the machine's other load
meets both alike. Prints a line per image size: median milliseconds per step of each, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from benchmarks import ours
from benchmarks.record import figure, save
from harness import kinds
from harness.seeds import Seeds
from harness.spec.models import TrainSpec
from harness.worker import device

BATCH, LATENT, WIDTH = 64, 64, 16


def keras_dcgan(shape, latent):
    """The built-in dcgan as a user would write it."""
    import keras

    layers = keras.layers
    doublings, base = 0, shape[0]
    while base > 7 and base % 2 == 0:
        doublings, base = doublings + 1, base // 2
    sizes = [WIDTH * 2**place for place in range(doublings)]
    deepest = sizes[-1] * 2
    generator = [
        keras.Input((latent,)),
        layers.Dense(base * base * deepest),
        layers.Reshape((base, base, deepest)),
        layers.BatchNormalization(momentum=0.9),
        layers.LeakyReLU(negative_slope=0.2),
    ]
    for outputs in reversed(sizes):
        generator += [
            layers.Conv2DTranspose(outputs, 4, 2, padding="same"),
            layers.BatchNormalization(momentum=0.9),
            layers.LeakyReLU(negative_slope=0.2),
        ]
    generator.append(layers.Conv2D(shape[2], 3, padding="same", activation="tanh"))
    discriminator = [keras.Input(shape)]
    for outputs in sizes:
        discriminator += [layers.Conv2D(outputs * 2, 4, 2, padding="same"), layers.LeakyReLU(negative_slope=0.2)]
    discriminator += [layers.Flatten(), layers.Dense(1)]
    return {"generator": keras.Sequential(generator), "discriminator": keras.Sequential(discriminator)}


def model(name, shape):
    """The GAN of a network's name, on random images."""
    width = {"width": WIDTH} if name == "dcgan" else {}
    images = np.random.default_rng(0).integers(0, 256, (1000, *shape), dtype=np.uint8)
    made = ours.model(name, TrainSpec(steps=1, batch=BATCH), images, latent=LATENT, **width)
    made.start(Seeds.of(0, "benchmark", 0))
    return made


def compare(shape, *, rounds, steps):
    """Milliseconds per step of the built-in network and of the Keras file, medians over rounds."""
    from harness.models import keras_network

    own = "keras_dcgan.py:build"
    kinds.adopt("network", own, keras_network.part_of(own, keras_dcgan, roles=("generator", "discriminator")))
    models = {name: model(name, shape) for name in ("dcgan", own)}
    counts = [made.parameters() for made in models.values()]
    assert counts[0] == counts[1], f"the networks differ: {counts}"
    rates = np.full(steps, 2e-4, np.float32)
    times = {name: [] for name in models}
    for made in models.values():  # traced before they are timed
        made.advance(ours.both(rates[:2]))
    for _ in range(rounds):
        for name, made in models.items():
            before = time.perf_counter()
            made.advance(ours.both(rates))
            times[name].append((time.perf_counter() - before) / steps * 1e3)
    return [statistics.median(each) for each in times.values()]


def main():
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[8, 28], help="sides of the images, in pixels")
    options.add_argument("--rounds", type=int, default=15)
    chosen = options.parse_args()
    device.configure(threads=1, gpu=None)
    figures = []
    for size in chosen.sizes:
        steps = max(8, 20_000 // size**2)
        ours, theirs = compare((size, size, 1), rounds=chosen.rounds, steps=steps)
        print(
            f"{size}x{size}x1: built in {ours:.2f} ms per step, Keras file {theirs:.2f} ms, ratio {theirs / ours:.2f}"
        )
        figures.append(
            figure(f"step of a Keras file against the network built in, {size}x{size}x1", theirs / ours, "x")
        )
    save("own_network_speed", figures, [])


if __name__ == "__main__":
    main()
