"""One full evaluation of the quick study: `python -m benchmarks.evaluation_speed`.

Generates 5,000 images, takes features and all scores, for raw and averaged weights, as a worker does at every
evaluation point (one thread for TensorFlow, as the quick study says); the other side computes FID alone, the usual way
(SciPy's `sqrtm`, features batch by batch) from the same images.
"""

import time
import warnings

import numpy as np
import scipy.linalg

from benchmarks.record import figure, save
from harness import spec as specs


def main():
    from harness.worker import device

    spec = specs.builtin()
    device.configure(threads=spec.train.threads, gpu=None)
    from benchmarks.ours import both
    from harness.seeds import Seeds
    from harness.worker import context as shops

    shop = shops.build(spec, cache=None, commit="benchmark")
    shop.model.start(Seeds(1, 2, 3, 4))
    shop.model.advance(both(np.full(50, 1e-3, np.float32)))

    def full():
        for weights in ("raw", "ema"):
            shop.evaluator.scores(shop.model.generate(shop.latents, weights=weights))

    real = shop.evaluator.extractor(shop.images.train)
    mean, covariance = real.mean(axis=0), np.cov(real, rowvar=False)

    def usual():
        for weights in ("raw", "ema"):
            found = shop.evaluator.extractor(shop.model.generate(shop.latents, weights=weights))
            other = np.cov(found, rowvar=False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)  # the product lacks rank: that is its way
                root = scipy.linalg.sqrtm(other @ covariance).real
            gap = found.mean(axis=0) - mean
            float(gap @ gap + np.trace(covariance) + np.trace(other) - 2 * np.trace(root))

    readings = {"full_s": full, "fid_only_s": usual}
    for function in readings.values():
        function()
    made = {name: [] for name in readings}
    for _ in range(5):
        for name, function in readings.items():
            started = time.perf_counter()
            function()
            made[name].append(time.perf_counter() - started)
    median = {name: float(np.median(values)) for name, values in made.items()}
    print(f"all scores, raw and averaged, {spec.evaluate.generated} images: {median['full_s']:.2f} s")
    print(f"FID alone, the usual way: {median['fid_only_s']:.2f} s; x{median['fid_only_s'] / median['full_s']:.2f}")
    figures = [
        figure("evaluation of the quick study: all scores, raw and averaged", median["full_s"], "s"),
        figure(
            "evaluation: FID alone the usual way against all our scores", median["fid_only_s"] / median["full_s"], "x"
        ),
    ]
    save("evaluation_speed", figures, made)


if __name__ == "__main__":
    main()
