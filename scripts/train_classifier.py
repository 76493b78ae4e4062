"""Train the small classifier whose features score generated images: `python scripts/train_classifier.py digits`.

Writes harness/metrics/weights/NAME.npz (float16) and NAME.json (accuracy on images it was not trained on, settings).
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from harness import data
from harness.metrics import features
from harness.metrics.features import classifier

WEIGHTS = Path(__file__).parents[1] / "harness" / "metrics" / "weights"
# channels of the three convolutions, features, epochs
SETTINGS = {"digits": ((24, 48, 64), 64, 60), "fashion_mnist": ((32, 64, 64), 96, 14)}


def initial(name: str, side: int, rng: np.random.Generator) -> dict[str, tf.Variable]:
    """He-initialised weights by the names that `classifier.logits` reads."""
    channels, dimensions, _ = SETTINGS[name]
    shapes: dict[str, tuple[int, ...]] = {}
    inputs, size = 1, side
    for place, outputs in enumerate(channels, start=1):
        shapes[f"w{place}"], inputs = (3, 3, inputs, outputs), outputs
        size = size if place == 1 and side <= 8 else -(-size // 2)
    shapes |= {"w4": (size * size * inputs, dimensions), "w5": (dimensions, 10)}
    weights = {}
    for key, shape in shapes.items():
        scale = np.sqrt(2.0 / np.prod(shape[:-1]))
        weights[key] = tf.Variable((rng.standard_normal(shape) * scale).astype(np.float32))
        weights[f"b{key[1:]}"] = tf.Variable(np.zeros(shape[-1], np.float32))
    return weights


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to one pixel in each direction."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    side = images.shape[1]
    rows, columns = rng.integers(0, 3, (2, len(images)))
    return np.stack([p[r : r + side, c : c + side] for p, r, c in zip(padded, rows, columns, strict=True)])


def train(name: str, images: data.ImageSet, *, seed: int, batch: int = 128) -> dict[str, tf.Variable]:
    """Adam with cosine decay, one-pixel shifts, label smoothing 0.1."""
    rng = np.random.default_rng(seed)
    weights = initial(name, images.train.shape[1], rng)
    epochs, n = SETTINGS[name][2], len(images.train)
    steps = epochs * (n // batch)
    optimizer = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(2e-3, steps))
    optimizer.build(list(weights.values()))

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            hidden, outputs = classifier.logits(x, weights)
            kept = tf.cast(tf.random.uniform(tf.shape(hidden)) > 0.2, tf.float32)
            outputs = tf.matmul(hidden * kept / 0.8, weights["w5"]) + weights["b5"]
            target = tf.one_hot(y, 10) * 0.9 + 0.01
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, outputs))
        variables = list(weights.values())
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    tf.random.set_seed(seed)
    for _ in range(epochs):
        order = rng.permutation(n)[: n // batch * batch].reshape(-1, batch)
        for part in order:
            x = shifted(images.train[part], rng).astype(np.float32) / 255.0
            step(tf.constant(x), tf.constant(images.train_labels[part]))
    return weights


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("name", choices=SETTINGS)
    options.add_argument("--data-dir", type=Path)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    settings = SimpleNamespace(
        name=chosen.name,
        data_dir=chosen.data_dir,
        size=None,
        channels=None,
        fit="pad",
        held_out=0.2,
        limit=None,
    )
    images = data.load(settings)
    weights = train(chosen.name, images, seed=chosen.seed)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{key: value.numpy().astype(np.float16) for key, value in weights.items()})
    (WEIGHTS / f"{chosen.name}.npz").write_bytes(buffer.getvalue())
    guessed = features.load(chosen.name).classify(images.held_out)
    accuracy = float((guessed == images.held_out_labels).mean())
    note = {
        "accuracy": accuracy,
        "held_out": len(images.held_out),
        "seed": chosen.seed,
        "data": images.fingerprint,
    }
    (WEIGHTS / f"{chosen.name}.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    print(note)


if __name__ == "__main__":
    main()
