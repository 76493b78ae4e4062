"""What checkpoints cost: `python -m benchmarks.checkpoint_cost` prints time to save and its share of training.

Two networks: the quick study's at 8x8, and the article's at 32x32x3, whose state is larger. The share is the time to
save against the default time between two checkpoints.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import ours
from benchmarks.ours import both
from benchmarks.record import figure, save
from harness.models import checkpoints
from harness.seeds import Seeds
from harness.spec.models import SafetySpec, TrainSpec


def main():
    period = SafetySpec().checkpoint_seconds
    rates = np.full(2, 1e-4, np.float32)
    rows = []
    for name, shape in (("dcgan", (64, 8, 8, 1)), ("article", (64, 32, 32, 3))):
        trainer = ours.model(name, TrainSpec(steps=10), np.zeros(shape, np.uint8))
        trainer.start(Seeds(1, 2, 3, 4))
        trainer.advance(both(rates))
        times = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.npz"
            for _ in range(5):
                started = time.perf_counter()
                checkpoints.save(path, trainer.state(), {"curve": []})
                times.append(time.perf_counter() - started)
            size = path.stat().st_size / 1e6
        seconds = float(np.median(times))
        rows.append({"network": name, "megabytes": size, "seconds": seconds, "share": seconds / period})
        print(f"{name:10} {size:7.1f} MB  {seconds:.3f} s to save  {seconds / period:.2%} of training at {period:g} s")
    figures = [figure(f"checkpoints, {row['network']}: share of training", 100 * row["share"], "%") for row in rows]
    save("checkpoint_cost", figures, rows)


if __name__ == "__main__":
    main()
