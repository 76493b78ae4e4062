"""What `python -m harness.metrics` does between its inputs and its lines: checks, features, scores, protocol."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from harness.metrics import extractor as extractors
from harness.metrics import images, kernel, native_output, requests, sanity, spectrum
from harness.metrics import metric as metrics
from harness.metrics.comparison import Comparison, Details, InputPixels
from harness.metrics.extractor import Extractor
from harness.metrics.frechet import Moments, frechet_infinity, frechet_jackknife
from harness.metrics.images import Extracted, Features, Input, InputError
from harness.metrics.inception_score import inception_score
from harness.metrics.requests import BLOCKS, Request
from harness.metrics.sample import Real, Sample

_SANITY_BYTES = 2**29  # of decoded images whose damages are looked at
_PIXELS = 2**24  # larger images have no noise and detail measured: it takes some 20 times their memory


@dataclass(frozen=True, repr=False)
class Report:
    """Scores, floor, protocol and warnings as they are printed, and the moments of GENERATED.

    `report["fid"]` is a score; printed, a report is the command's lines, warnings last.
    """

    scores: dict[str, float]
    floor: dict[str, float] | None
    sanity: dict[str, list[dict[str, Any]]] | None
    protocol: dict[str, Any]
    inputs: dict[str, Any]
    warnings: list[str]
    moments: Moments

    def __getitem__(self, name: str) -> float:
        return self.scores[name]

    def __repr__(self) -> str:
        return "\n".join([*self.lines(), *(f"warning: {line}" for line in self.warnings)])

    def lines(self) -> Iterator[str]:
        """What is printed, but for the warnings."""
        floor = self.floor or {}
        for name, value in self.scores.items():
            yield f"{name:24}{value:<14.6g}" + (f"floor {floor[name]:.6g}" if name in floor else "")
        for name, words in self.protocol.items():
            yield f"{name}: {words}"
        for metric, rows in (self.sanity or {}).items():
            yield f"sanity of {metric}: REAL damaged, {rows[0]['images']} images at a time, against the rest of REAL"
            for row in rows:
                seen = "seen" if row["seen"] else "NOT SEEN"
                yield f"  {row['damage']:24}{row['value']:<14.6g}undamaged {row['floor']:<14.6g}{seen}"


def score(request: Request, *, say: Callable[[str], None], progress: Callable[[str, int, int], None]) -> Report:
    """Score what is asked for; raises InputError with one line for each thing that is wrong, before any feature is computed.

    `say` hears early what was left out of the inputs, `progress` the input's name, how many images are done, and of
    how many. Damage that only decoding shows is found while features are computed, and then all of it is named.
    """
    inputs, warnings = requests.read(request)
    for each in inputs.values():
        if ";" in each.sentence:
            say(f"{each.name}: {each.sentence}")
    seen = _see(request, inputs, warnings, progress)
    protocol = seen.protocol | {name: each.sentence for name, each in inputs.items()}
    recorded = {name: each.record() for name, each in inputs.items()}  # before images are read again
    moments = {name: inputs[name].moments or Moments.of(seen.features[name]) for name in ("generated", "real")}
    warnings += _few(seen.features, len(moments["real"].mean))
    scores, floor = _compare(request, inputs, seen, moments["real"], warnings)
    if {"generated", "real"} <= seen.features.keys():
        protocol["kid"] = "degree 3, all pairs"
    if "kid_subsets" in scores:
        protocol["kid_subsets"] = f"degree 3, 100 subsets of {request.subset}, seed 2020"
    measured = None
    if request.sanity and seen.extractor is not None:
        measured = _sanity(inputs["real"], seen.extractor, warnings)
    return Report(scores, floor, measured, protocol, recorded, warnings, moments["generated"])


@dataclass(frozen=True)
class _Seen:
    """What was computed of the inputs that are images, by their names; no extractor where none is."""

    extractor: Extractor | None = None
    extracted: Mapping[str, Extracted] = field(default_factory=dict)
    sums: Mapping[str, spectrum.PixelSums] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> dict[str, Features]:
        """Features (n, d) of each."""
        return {name: each.features for name, each in self.extracted.items()}


def _see(
    request: Request, inputs: Mapping[str, Input], warnings: list[str], progress: Callable[[str, int, int], None]
) -> _Seen:
    """Features and sums over pixels of all inputs that are images, in one pass."""
    if all(each.moments is not None for each in inputs.values()):
        if request.features is not None or request.weights is not None:
            warnings.append("--features and --weights are of no use for statistics alone")
        return _Seen()
    with native_output.silenced():
        extractor = request.network.load(request.weights, key="--weights", layer=request.layer, scaling=request.scaling)
    protocol = {
        "features": extractor.name,
        "features_sha256": extractor.sha256,
        "covariance": "divisor n - 1",
        "tensorflow": f"{importlib.metadata.version('tensorflow')}, oneDNN {_onednn()}",
    }
    sizes = sorted({size for each in inputs.values() for size in each.sizes})
    resized = [words for size in sizes if (words := extractors.prepared(extractor, *size))]
    if resized:
        more = f", and from {len(resized) - 1} other sizes" if len(resized) > 1 else ""
        protocol["images"] = resized[0] + more
    sums = _pixel_sums(inputs, warnings)
    return _Seen(extractor, _extract(inputs, extractor, sums, progress), sums, protocol)


def _compare(
    request: Request, inputs: Mapping[str, Input], seen: _Seen, moments: Moments, warnings: list[str]
) -> tuple[dict[str, float], dict[str, float] | None]:
    """The scores, and those of the held-out images (the floor) where some are given; `moments` are of the real ones."""
    samples = {name: _sample(each, seen.features.get(name), seen.sums.get(name)) for name, each in inputs.items()}
    real = Real(sample=samples["real"], train=samples["real"], moments=moments)
    comparison = Comparison(real, metrics.chosen(request.metrics).values())
    logits = seen.extracted["generated"].logits if "generated" in seen.extracted else None
    of_kid = partial(_kid_details, real.sample, request.subset)
    details: dict[str, Details] = {
        "fid": partial(_fid_details, moments, request, logits, warnings),
        "kid": partial(of_kid, warnings),
    }
    scores = comparison.scores(samples["generated"], details=details)
    warnings += [*scores.warnings, *comparison.faults]
    if "held_out" not in inputs:
        return scores.values, None
    about: list[str] = []
    held_out = comparison.scores(samples["held_out"], details={"kid": partial(of_kid, about)})
    warnings += [f"floor: {line}" for line in (*about, *held_out.warnings)]
    return scores.values, {"images": inputs["held_out"].count, **held_out.values}


def _sample(source: Input, features: Features | None, sums: spectrum.PixelSums | None) -> Sample:
    """An input as metrics see it."""
    if features is None:
        return Sample(features=np.empty((0, 0), np.float32), moments=source.moments)
    return Sample(features=features, pixels=None if sums is None else InputPixels(source, sums))


def _sanity(real: Input, extractor: Extractor, warnings: list[str]) -> dict[str, list[dict[str, Any]]] | None:
    """What primary scores make of real images damaged in known ways; None, with a warning, where too few fit in memory."""
    chosen = _alike_sample(real, sanity.sample_size(extractor.dimensions))
    if len(chosen) < sanity.FEWEST:
        warnings.append(
            f"sanity needs {sanity.FEWEST} real images of one size that fit into {_SANITY_BYTES // 2**20} MiB, but there are "
            f"{len(chosen)}: left out"
        )
        return None
    measured = {}
    for metric in metrics.primaries():
        rows = sanity.measure(extractor, chosen, metric=metric)
        measured[metric] = [asdict(row) for row in rows]
        blind = sanity.unseen(rows)
        if blind:
            name = f"{metric} in {extractor.name} features"
            warnings.append(sanity.sentence(name, blind, images=max(row.images for row in rows)))
    return measured


def _alike_sample(real: Input, most: int) -> images.Images:
    """A fixed random sample of the images of the commonest size, (n, h, w, c): at most `most`, and what memory allows."""
    sizes = Counter(image.shape[:2] for image in real.images())
    shape = sizes.most_common(1)[0][0]
    wanted = min(most, _SANITY_BYTES // (3 * shape[0] * shape[1]), sizes[shape])
    indices = set(np.random.default_rng(2020).permutation(sizes[shape])[:wanted].tolist())
    alike = (image for image in real.images() if image.shape[:2] == shape)
    chosen = [image for index, image in enumerate(alike) if index in indices]
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
    extracted: dict[str, Extracted] = {}
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

                extracted[name] = images.features(each, extractor, pixels=sums.get(name), progress=heard)
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return extracted


def _few(features: Mapping[str, Features], dimensions: int) -> list[str]:
    return [
        f"{name} has {len(values)} images for {dimensions} dimensions: FID is biased far upward"
        for name, values in features.items()
        if len(values) <= dimensions and name != "held_out"
    ]


def _shuffled(features: Features) -> Features:
    """In random order: files of a folder are often sorted by class, and blocks of them then differ more than chance."""
    return np.asarray(features[np.random.default_rng(2020).permutation(len(features))])


def _fid_details(
    real: Moments, request: Request, logits: Features | None, warnings: list[str], generated: Sample
) -> dict[str, float]:
    """What else is asked for about FID, and the Inception Score where the network gives logits."""
    details: dict[str, float] = {}
    if request.interval:
        details["fid_stderr"] = frechet_jackknife(_shuffled(generated.features), real, blocks=BLOCKS).stderr
    if request.infinity:
        limit = frechet_infinity(generated.features, real, rng=np.random.default_rng(2020))
        details |= {"fid_infinity": limit.value, "fid_infinity_stderr": limit.stderr}
    return details | (_inception_score(logits, warnings) if logits is not None else {})


def _inception_score(logits: Features, warnings: list[str]) -> dict[str, float]:
    if len(logits) < 10:
        warnings.append(f"Inception Score takes 10 splits, but there are {len(logits)} images: left out")
        return {}
    mean, std = inception_score(logits)
    return {"inception_score": mean, "inception_score_std": std}


def _kid_details(real: Sample, size: int, warnings: list[str], generated: Sample) -> dict[str, float]:
    """KID's standard error, and KID over subsets of `size` images as published, where there are as many."""
    fewest = min(len(generated.features), len(real.features))
    if fewest < size:
        warnings.append(f"subsets of {size} images need as many, but there are {fewest}: kid_subsets is left out")
        return {"kid_stderr": kernel.full_distance(generated.features, real.features)[1]}
    distance = kernel.kernel_distance(generated.features, real.features, subset_size=size)
    return {"kid_stderr": distance.stderr, "kid_subsets": distance.mean, "kid_subsets_std": distance.std}


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


def progress_line(name: str, done: int, total: int) -> None:
    """Progress on a terminal, one line per input."""
    if sys.stderr.isatty():
        print(f"\r{name}: {done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)
