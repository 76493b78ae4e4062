"""`python -m harness.metrics GENERATED REAL`: score two sets of images, or statistics of them, as a study does."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness import __version__, command_line
from harness.metrics import images, kernel, neighbours, spectrum
from harness.metrics.frechet import Moments, frechet_distance, frechet_infinity, frechet_jackknife, frechet_to
from harness.metrics.inception_score import inception_score

EPILOG = """\
examples:
  python -m harness.metrics generated/ real/                     published FID and KID of two folders of images
  python -m harness.metrics generated.npz real.npz --json        of arrays, or of statistics with mu and sigma

exit status: 0 done; 2 an input cannot be scored.
"""
Features = NDArray[np.float32]
_BATCH = 500  # images between two lines of progress


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.metrics",
        description="Score two sets of images, or statistics of them, with the same code as a study.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = "folder of images, .npy or .npz of uint8 (n, h, w, c), or .npz with mu and sigma"
    options.add_argument("generated", type=Path, metavar="GENERATED", help=kinds)
    options.add_argument("real", type=Path, metavar="REAL", help=kinds)
    options.add_argument(
        "--features",
        default="inception",
        choices=("inception", "digits", "fashion_mnist"),
        help="feature network (default inception, for FID and KID as published)",
    )
    options.add_argument("--weights", type=Path, metavar="FILE", help="Inception weights: .pth, .pb or .npz")
    options.add_argument("--subset-size", type=int, default=1000, help="images a subset of KID (default 1000)")
    options.add_argument("--interval", action="store_true", help="standard error of FID by jackknife (slow)")
    options.add_argument("--infinity", action="store_true", help="FID extrapolated to endless images (slow)")
    options.add_argument(
        "--held-out",
        type=Path,
        metavar="REAL",
        help="other real images, scored against REAL as the floor of each score",
    )
    options.add_argument("--save-statistics", type=Path, metavar="FILE", help="write mu and sigma of GENERATED")
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("--quiet", action="store_true", help="print no progress")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with one sentence if an input cannot be scored."""
    chosen = command_line.parse(parser(), arguments)
    try:
        report = score(chosen)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if chosen.json:
        print(json.dumps(report, indent=1))
        return 0
    floor = report.get("floor", {})
    for name, value in report["scores"].items():
        print(f"{name:24}{value:<14.6g}" + (f"floor {floor[name]:.6g}" if name in floor else ""))
    for name, value in report["protocol"].items():
        print(f"{name}: {value}")
    for line in report["warnings"]:
        print(f"warning: {line}", file=sys.stderr)
    return 0


def score(chosen: argparse.Namespace) -> dict[str, Any]:
    """Scores, protocol and warnings; raises ValueError with one sentence naming what cannot be scored."""
    inputs = {"generated": images.read(chosen.generated), "real": images.read(chosen.real)}
    if chosen.held_out is not None:
        inputs["held_out"] = images.read(chosen.held_out)
    protocol: dict[str, Any] = {}
    found: dict[str, Features] = {}
    logits: list[Features] = []
    if any(each.moments is None for each in inputs.values()):
        from harness.metrics import features

        extractor = features.load(chosen.features, weights=chosen.weights)
        protocol |= {"features": extractor.name, "features_sha256": extractor.sha256, "covariance": "divisor n - 1"}
        for name, each in inputs.items():
            if each.moments is None:
                extract = _keeping_logits(extractor, logits) if name == "generated" else extractor
                found[name] = images.features(
                    each, extract, batch=_BATCH, progress=_progress(name, each.count, quiet=chosen.quiet)
                )
    protocol |= {name: f"{each.count} images" if each.count else "statistics" for name, each in inputs.items()}
    moments = {name: each.moments or Moments.of(found[name]) for name, each in inputs.items()}
    if chosen.save_statistics is not None:
        images.write_statistics(chosen.save_statistics, moments["generated"])
    warnings = []
    dimensions = len(moments["real"].mean)
    for name, values in found.items():
        if len(values) <= dimensions and name != "held_out":
            warnings.append(f"{name} has {len(values)} images for {dimensions} dimensions: FID is biased far upward")
    made = {"fid": _fid("generated", found, moments)}
    if chosen.interval and "generated" in found:
        made["fid_stderr"] = frechet_jackknife(found["generated"], moments["real"]).stderr
    if chosen.infinity and "generated" in found:
        limit = frechet_infinity(found["generated"], moments["real"], rng=np.random.default_rng(2020))
        made |= {"fid_infinity": limit.value, "fid_infinity_stderr": limit.stderr}
    if logits:
        made |= _inception_score(np.concatenate(logits), warnings)
    if {"generated", "real"} <= found.keys():
        made |= _pairwise(found["generated"], found["real"], size=chosen.subset_size, warnings=warnings)
        made |= _pixels(inputs["generated"], inputs["real"], warnings)
        protocol["kid"] = f"degree 3, 100 subsets of {chosen.subset_size}, seed 2020; kid_full: all pairs"
    report = {"scores": made, "protocol": protocol, "warnings": warnings}
    if "held_out" in inputs:
        report["floor"] = _floor(inputs, found, moments, size=chosen.subset_size)
    return report


def _keeping_logits(extractor: Any, logits: list[Features]) -> Callable[[images.Images], Features]:
    """`extractor`, keeping the logits of every batch where the network has them."""
    if not hasattr(extractor, "outputs"):
        return cast(Callable[[images.Images], Features], extractor)

    def extract(batch: images.Images) -> Features:
        made = extractor.outputs(batch)
        logits.append(made.logits)
        return cast(Features, made.pooled)

    return extract


def _inception_score(logits: Features, warnings: list[str]) -> dict[str, float]:
    if len(logits) < 10:
        warnings.append(f"Inception Score takes 10 splits, but there are {len(logits)} images: left out")
        return {}
    mean, std = inception_score(logits)
    return {"inception_score": mean, "inception_score_std": std}


def _floor(
    inputs: dict[str, images.Input], found: dict[str, Features], moments: dict[str, Moments], *, size: int
) -> dict[str, float]:
    """What other real images score against the real ones; with fewer images than generated, FID's floor is too high."""
    made = {"images": inputs["held_out"].count, "fid": _fid("held_out", found, moments)}
    if {"held_out", "real"} <= found.keys():
        made |= _pairwise(found["held_out"], found["real"], size=size, warnings=[])
        made |= _pixels(inputs["held_out"], inputs["real"], [])
    return made


def _fid(name: str, found: dict[str, Features], moments: dict[str, Moments]) -> float:
    if name in found:
        return frechet_to(found[name], moments["real"])
    return frechet_distance(moments[name], moments["real"])


def _pairwise(generated: Features, real: Features, *, size: int, warnings: list[str]) -> dict[str, float]:
    """Kernel distance and neighbour metrics, each where there are images enough."""
    fewest = min(len(generated), len(real))
    made: dict[str, float] = {}
    if fewest >= size:
        distance = kernel.kernel_distance(generated, real, subset_size=size)
        made |= {"kid": distance.mean, "kid_std": distance.std}
        made |= {"kid_full": distance.full, "kid_full_stderr": distance.stderr}
    elif fewest >= 3:
        warnings.append(f"subsets of {size} images need as many, but there are {fewest}: KID over all pairs only")
        made["kid_full"], made["kid_full_stderr"] = kernel.full_distance(generated, real)
    if fewest < 6:
        warnings.append(f"neighbour metrics need 6 images a side, but there are {fewest}: left out")
        return made
    manifold = neighbours.Manifold.of(real, 3)
    made["precision"] = neighbours.share_inside(generated, manifold)
    made["recall"] = neighbours.share_inside(real, neighbours.Manifold.of(generated, 3))
    dense = neighbours.density_coverage(generated, neighbours.Manifold.of(real, 5))
    made["memorised"] = neighbours.memorised(generated, neighbours.Manifold.of(real, 1))
    return made | {"density": dense.density, "coverage": dense.coverage}


def _pixels(generated: images.Input, real: images.Input, warnings: list[str]) -> dict[str, float]:
    """Noise and detail ratios, where all images have one size."""
    groups = [generated.groups, real.groups]
    sizes = {group.shape[1:3] for each in groups for group in each}
    if len(sizes) != 1 or min(min(sizes)) < 3:
        warnings.append("images differ in size or have fewer than 3x3 pixels: noise and detail are left out")
        return {}
    made = {}
    for name, measure in (("noise", spectrum.noise_level), ("high_frequency", spectrum.high_frequency_share)):
        one, two = (_mean([(measure(group), len(group)) for group in each]) for each in groups)
        if two > 0:
            made[f"{name}_ratio"] = one / two
        else:
            warnings.append(f"real images have no {name.replace('_', ' ')} content: {name}_ratio is left out")
    return made


def _mean(values: list[tuple[float, int]]) -> float:
    return float(np.average([value for value, _ in values], weights=[count for _, count in values]))


def _progress(name: str, total: int, *, quiet: bool) -> Any:
    def show(done: int) -> None:
        if not quiet and sys.stderr.isatty():
            print(f"\r{name}: {done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
