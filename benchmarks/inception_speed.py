"""Inception features on the processor against torch-fidelity: `python -m benchmarks.inception_speed`.

The other side needs torch and torch-fidelity, which this environment may lack: name a Python that has them with
`--peer PYTHON`. Both sides get the same random weights (shape and speed do not depend on them) and images, run in
turn, and take every core.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

PEER = """
import sys, time, numpy as np, torch
lib = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):  # torchvision's operators, which a processor-only torch may lack
    try:
        lib.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass
import torch_fidelity.feature_extractor_inceptionv3 as module
weights, size, count, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=weights)
network.eval()
images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, size, size), dtype=np.uint8))
with torch.no_grad():
    network(images[:batch])
    for _ in range(3):
        started = time.perf_counter()
        for first in range(0, count, batch):
            network(images[first : first + batch])
        print(count / (time.perf_counter() - started), flush=True)
"""


def ours(size, count):
    """Images per second, three readings."""
    from harness.metrics.features import inception

    network = inception.Inception(inception.random_weights(0), sha256="0" * 64)
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    network(images[: inception.BATCH])
    readings = []
    for _ in range(3):
        started = time.perf_counter()
        network(images)
        readings.append(count / (time.perf_counter() - started))
    return readings


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--peer", default=sys.executable, help="a Python with torch and torch-fidelity")
    options.add_argument("--weights", type=Path, required=True, help="Inception weights as .pth, for the peer")
    options.add_argument("--size", type=int, default=32)
    options.add_argument("--images", type=int, default=128)
    options.add_argument(
        "--batches", type=int, nargs="+", default=(16, 32, 64), help="batch sizes the peer may choose from"
    )
    chosen = options.parse_args()
    mine = ours(chosen.size, chosen.images)
    best, theirs = 0, [0.0]
    for batch in chosen.batches:
        words = [chosen.peer, "-c", PEER, str(chosen.weights), str(chosen.size), str(chosen.images), str(batch)]
        found = subprocess.run(words, capture_output=True, text=True, check=False)
        if found.returncode:
            sys.exit(f"the peer failed: {found.stderr.strip().splitlines()[-1]}")
        readings = [float(line) for line in found.stdout.split()]
        if max(readings) > max(theirs):
            best, theirs = batch, readings
    ratio = np.median(mine) / np.median(theirs)
    print(
        f"ours {np.median(mine):.1f}, torch-fidelity {np.median(theirs):.1f} (its best batch, {best}) images/s: x{ratio:.2f}"
    )
    print(json.dumps({"ours": mine, "theirs": theirs, "peer_batch": best, "ratio": ratio, "size": chosen.size}))


if __name__ == "__main__":
    main()
