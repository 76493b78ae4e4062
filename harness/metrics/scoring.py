"""What `python -m harness.metrics` does between its inputs and its lines: checks, features, scores, protocol."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.metrics import images, kernel, native_output, neighbours, requests, sanity, spectrum
from harness.metrics.extractor import Extractor
from harness.metrics.frechet import Moments, frechet_distance, frechet_infinity, frechet_jackknife, frechet_to
from harness.metrics.images import Extracted, Features, Input, InputError
from harness.metrics.inception_score import inception_score
from harness.metrics.requests import BLOCKS, SUBSET_SIZE, Request

_SANITY_BYTES = 2**29  # of decoded images whose damages are looked at
_PIXELS = 2**24  # larger images have no noise and detail measured: it takes some 20 times their memory


@dataclass(frozen=True)
class Report:
    """Scores, floor, protocol and warnings as they are printed, and the moments of GENERATED."""

    scores: dict[str, float]
    floor: dict[str, float] | None
    sanity: dict[str, list[dict[str, Any]]] | None
    protocol: dict[str, Any]
    inputs: dict[str, Any]
    warnings: list[str]
    moments: Moments


def score(request: Request, *, say: Callable[[str], None], progress: Callable[[str, int, int], None]) -> Report:
    """Score what is asked for; raises InputError with one line for each thing that is wrong, before any feature is computed.

    `say` hears early what was left out of the inputs, `progress` the input's name, how many images are done, and of
    how many. Damage that only decoding shows is found while features are computed, and then all of it is named.
    """
    inputs, warnings = requests.read(request)
    for each in inputs.values():
        if ";" in each.sentence:
            say(f"{each.name}: {each.sentence}")
    protocol: dict[str, Any] = {}
    extracted: dict[str, Extracted] = {}
    sums: dict[str, spectrum.PixelSums] = {}
    if any(each.moments is None for each in inputs.values()):
        with native_output.silenced():
            from harness.metrics import features

            extractor = features.load(request.network, weights=request.weights, key="--weights")
        protocol = {
            "features": extractor.name,
            "features_sha256": extractor.sha256,
            "covariance": "divisor n - 1",
            "tensorflow": f"{importlib.metadata.version('tensorflow')}, oneDNN {_onednn()}",
        }
        sums = _pixel_sums(inputs, warnings)
        extracted = _extract(inputs, extractor, sums, progress)
    elif request.features is not None or request.weights is not None:
        warnings.append("--features and --weights are of no use for statistics alone")
    protocol |= {name: each.sentence for name, each in inputs.items()}
    found = {name: each.features for name, each in extracted.items()}
    moments = {name: each.moments or Moments.of(found[name]) for name, each in inputs.items()}
    warnings += _few(found, len(moments["real"].mean))
    made = {"fid": _fid("generated", found, moments)}
    if request.interval:
        made["fid_stderr"] = frechet_jackknife(_shuffled(found["generated"]), moments["real"], blocks=BLOCKS).stderr
    if request.infinity:
        limit = frechet_infinity(found["generated"], moments["real"], rng=np.random.default_rng(2020))
        made |= {"fid_infinity": limit.value, "fid_infinity_stderr": limit.stderr}
    if "generated" in extracted and extracted["generated"].logits is not None:
        made |= _inception_score(extracted["generated"].logits, warnings)
    size = request.subset_size or SUBSET_SIZE
    if {"generated", "real"} <= found.keys():
        made |= _pairwise(found["generated"], found["real"], size=size, warnings=warnings)
        made |= _pixel_ratios("generated", sums, warnings)
        protocol["kid"] = f"degree 3, all pairs; kid_subsets: 100 subsets of {size}, seed 2020"
    floor = None
    if "held_out" in inputs:
        floor = {"images": inputs["held_out"].count, "fid": _fid("held_out", found, moments)}
        if {"held_out", "real"} <= found.keys():
            about: list[str] = []
            floor |= _pairwise(found["held_out"], found["real"], size=size, warnings=about)
            floor |= _pixel_ratios("held_out", sums, [])
            warnings += [f"floor: {line}" for line in about]
    recorded = {name: each.record() for name, each in inputs.items()}  # before REAL is read again
    measured = _sanity(inputs["real"], extractor, warnings) if request.sanity else None
    return Report(made, floor, measured, protocol, recorded, warnings, moments["generated"])


def _sanity(real: Input, extractor: Extractor, warnings: list[str]) -> dict[str, list[dict[str, Any]]] | None:
    """What FID and KID make of real images damaged in known ways; None, with a warning, where too few fit in memory."""
    chosen = _alike_sample(real, sanity.sample_size(extractor.dimensions))
    if len(chosen) < sanity.FEWEST:
        warnings.append(
            f"sanity needs {sanity.FEWEST} real images of one size that fit into {_SANITY_BYTES // 2**20} MiB, but there are "
            f"{len(chosen)}: left out"
        )
        return None
    found = {}
    for metric in ("fid", "kid"):
        rows = sanity.measure(extractor, chosen, metric=metric)
        found[metric] = [asdict(row) for row in rows]
        blind = sanity.unseen(rows)
        if blind:
            name = f"{metric} in {extractor.name} features"
            warnings.append(sanity.sentence(name, blind, images=max(row.images for row in rows)))
    return found


def _alike_sample(real: Input, most: int) -> images.Images:
    """A fixed random sample of the images of the commonest size, (n, h, w, c): at most `most`, and what memory allows."""
    sizes = Counter(image.shape[:2] for image in real.images())
    shape = sizes.most_common(1)[0][0]
    wanted = min(most, _SANITY_BYTES // (3 * shape[0] * shape[1]), sizes[shape])
    places = set(np.random.default_rng(2020).permutation(sizes[shape])[:wanted].tolist())
    alike = (image for image in real.images() if image.shape[:2] == shape)
    chosen = [image for place, image in enumerate(alike) if place in places]
    return np.stack(images.alike(chosen)) if chosen else np.zeros((0, *shape, 1), np.uint8)


def _onednn() -> str:
    return "off" if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") == "0" else "on"


def _extract(
    inputs: Mapping[str, Input],
    extractor: images.Network,
    sums: Mapping[str, spectrum.PixelSums],
    progress: Callable[[str, int, int], None],
) -> dict[str, Extracted]:
    """Features of all inputs that are images; at damage the rest is looked through too, and all of it named."""
    found: dict[str, Extracted] = {}
    faults: list[str] = []
    for name, each in inputs.items():
        if each.moments is not None:
            continue
        try:
            if faults:
                for _ in each.images():
                    pass
            else:

                def heard(done: int, name: str = name, total: int = each.count) -> None:
                    progress(name, done, total)

                found[name] = images.features(each, extractor, pixels=sums.get(name), progress=heard)
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return found


def _few(found: Mapping[str, Features], dimensions: int) -> list[str]:
    return [
        f"{name} has {len(values)} images for {dimensions} dimensions: FID is biased far upward"
        for name, values in found.items()
        if len(values) <= dimensions and name != "held_out"
    ]


def _shuffled(features: Features) -> Features:
    """In random order: files of a folder are often sorted by class, and blocks of them then differ more than chance."""
    return np.asarray(features[np.random.default_rng(2020).permutation(len(features))])


def _fid(name: str, found: Mapping[str, Features], moments: Mapping[str, Moments]) -> float:
    if name in found:
        return frechet_to(found[name], moments["real"])
    return frechet_distance(moments[name], moments["real"])


def _inception_score(logits: Features, warnings: list[str]) -> dict[str, float]:
    if len(logits) < 10:
        warnings.append(f"Inception Score takes 10 splits, but there are {len(logits)} images: left out")
        return {}
    mean, std = inception_score(logits)
    return {"inception_score": mean, "inception_score_std": std}


def _pairwise(generated: Features, real: Features, *, size: int, warnings: list[str]) -> dict[str, float]:
    """Kernel distance and neighbour metrics, each where there are images enough."""
    fewest = min(len(generated), len(real))
    made: dict[str, float] = {}
    if fewest >= max(size, 3):
        distance = kernel.kernel_distance(generated, real, subset_size=size)
        made |= {"kid": distance.full, "kid_stderr": distance.stderr}
        made |= {"kid_subsets": distance.mean, "kid_subsets_std": distance.std}
    elif fewest >= 3:
        warnings.append(f"subsets of {size} images need as many, but there are {fewest}: kid_subsets is left out")
        made["kid"], made["kid_stderr"] = kernel.full_distance(generated, real)
    else:
        warnings.append(f"KID needs 3 images per side, but there are {fewest}: left out")
    if fewest < 6:
        warnings.append(f"neighbour metrics need 6 images per side, but there are {fewest}: left out")
        return made
    manifold = neighbours.Manifold.of(real, 3)
    made["precision"] = neighbours.share_inside(generated, manifold)
    made["recall"] = neighbours.share_inside(real, neighbours.Manifold.of(generated, 3))
    dense = neighbours.density_coverage(generated, neighbours.Manifold.of(real, 5))
    made["memorised"] = neighbours.memorised(generated, neighbours.Manifold.of(real, 1))
    return made | {"density": dense.density, "coverage": dense.coverage}


def _pixel_sums(inputs: Mapping[str, Input], warnings: list[str]) -> dict[str, spectrum.PixelSums]:
    """For each input that is images what its noise and detail are summed up in, where all have one size."""
    if inputs["generated"].moments is not None or inputs["real"].moments is not None:
        return {}
    sizes = inputs["generated"].sizes | inputs["real"].sizes
    if len(sizes) != 1 or min(min(sizes)) < 3:
        warnings.append("images differ in size or have fewer than 3x3 pixels: noise and detail are left out")
        return {}
    (height, width) = next(iter(sizes))
    if height * width > _PIXELS:
        warnings.append(f"images have more than {_PIXELS} pixels: noise and detail are left out")
        return {}
    return {name: spectrum.PixelSums() for name, each in inputs.items() if each.sizes == sizes}


def _pixel_ratios(name: str, sums: Mapping[str, spectrum.PixelSums], warnings: list[str]) -> dict[str, float]:
    if name not in sums:
        return {}
    one, two = sums[name], sums["real"]
    made = {}
    for measure in ("noise_level", "high_frequency_share"):
        short = "noise" if measure == "noise_level" else "high_frequency"
        divisor = getattr(two, measure)
        if divisor > 0:
            made[f"{short}_ratio"] = getattr(one, measure) / divisor
        else:
            warnings.append(f"real images have no {short.replace('_', ' ')} content: {short}_ratio is left out")
    return made


def progress_line(name: str, done: int, total: int) -> None:
    """Progress on a terminal, on one line an input."""
    if sys.stderr.isatty():
        print(f"\r{name}: {done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)
