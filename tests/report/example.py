"""Synthetic results of a study, the same on every machine, in several variants."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np

from harness.report import catalogue
from harness.results import CurvePoint, RunRecord, tables, trace
from harness.results.tables import write_study

EFFECT = {"constant": 0.0, "linear": -1.0, "exponential": -0.2, "cosine": -0.9, "step": 0.1, "rex": -0.5, "wsd": -0.8}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


def results(
    path: Path,
    *,
    labels=("constant", "linear", "exponential"),
    kinds=None,
    seeds=8,
    trials=4,
    points=3,
    diverged=lambda label, phase, repetition: False,
    noise=0.3,
    title="Does decay help?",
    scale=1.0,
    traced=False,
    **facts,
):
    """Write runs.csv, curves.csv, study.json and grids into `path`; `kinds` maps labels to shapes.

    `facts` change study.json (see `study`).
    """
    kinds = kinds or {label: label for label in labels}
    rng = np.random.default_rng(0)
    records = []
    dense = _trace(100 * points) if traced else []
    for phase, count in (("search", trials), ("confirm", seeds)):
        common = rng.normal(0, noise, count)
        for label in labels:
            for place in range(count):
                value = scale * (5.0 + EFFECT[kinds[label]] + common[place] + rng.normal(0, noise))
                lost = diverged(label, phase, place)
                record = _record(label, kinds[label], phase, place, value, lost=lost, points=points)
                kept = trace.pack(each for each in dense if each.step < 60) if lost else trace.pack(dense)
                records.append(dataclasses.replace(record, trace=kept, seconds_evaluation=2.0) if traced else record)
    return _written(path, records, study(labels, kinds, title, **facts))


def replicated(
    path: Path,
    *,
    labels=("constant", "linear", "exponential"),
    looks=(8, 12),
    replicates=None,
    trials=2,
    seeds=1,
    effects=EFFECT,
    diverged=lambda label, phase, replicate, repetition: False,
    noise=0.3,
    tuning=0.3,
    missing=(),
    **facts,
):
    """As `results`, of a study that repeats its tuning; `replicates` have ended, by schedule (default: all planned).

    Each replicate's configuration has a luck of its own, of standard deviation `tuning`. Runs in `missing` are left out.
    """
    rng = np.random.default_rng(1)
    records = []
    most = max([looks[-1], *(replicates or {}).values()])
    for replicate in range(most):
        for label in labels:
            luck = rng.normal(0, tuning)
            values = [
                (phase, place) for phase, count in (("search", trials), ("confirm", seeds)) for place in range(count)
            ]
            for phase, place in values:
                value = 5.0 + effects[label] + luck + rng.normal(0, noise)
                if replicate >= (replicates or {}).get(label, looks[-1]):
                    continue
                lost = diverged(label, phase, replicate, place)
                record = _record(label, label, phase, place, value, lost=lost, points=3)
                name = f"{phase}-{label}-t{replicate:03d}-p{record.point:03d}-r{place:03d}"
                peak = 10 ** (-3.4 + 0.11 * ((7 * replicate + 5 * place) % 16)) if phase == "search" else None
                params = record.params | {"peak": peak if peak else 10 ** (-3.4 + 0.11 * (7 * replicate % 16))}
                records.append(dataclasses.replace(record, run=name, replicate=replicate, params=params))
    facts.setdefault("phases", {})
    facts["phases"] = {
        "search": {"trials": trials, "sampler": "sobol", "allocation": "balanced"},
        "confirm": {"seeds": seeds},
        "replicates": {"looks": list(looks), "beyond": 0},
    } | facts["phases"]
    kept = [record for record in records if record.run not in missing]
    return _written(path, kept, study(labels, {label: label for label in labels}, "Does decay help?", **facts))


def _written(path, records, facts):
    """The folder with its tables, pictures and study.json."""
    path.mkdir(parents=True, exist_ok=True)
    tables.write(path, records, phases=("search", "select", "confirm"), schedules=facts["schedules"])
    (path / "samples").mkdir(exist_ok=True)
    for record in records:
        if record.status == "finished":
            for suffix in ("", "-ema"):
                (path / "samples" / f"{record.run}{suffix}.png").write_bytes(PNG)
    write_study(path, facts)
    return path


def pair(generator, discriminator):
    """Values by network."""
    return {"generator": generator, "discriminator": discriminator}


def figures_of(analysis):
    """All figures of a report, drawn, each with its caption and alternative text."""
    drawings = catalogue.contents(analysis).figures
    return {name: (drawing.draw(), drawing) for name, drawing in drawings.items()}


def tables_of(analysis):
    """All tables of a report."""
    return catalogue.contents(analysis).tables


def _trace(steps):
    """A point every 20 steps; the loss of the generator is 1 + 20/step, that of the discriminator 2."""
    return [
        trace.point(step, rates=pair(1e-3, 1e-3), losses=pair(1 + 20 / step, 2.0)) for step in range(20, steps + 1, 20)
    ]


def _record(label, kind, phase, place, value, *, lost, points):
    scores = {"fid_digits_5k": value, "fid_digits_5k_ema": value * 0.9 + 0.2, "noise_ratio_5k": 1.0 + value / 50}
    peak = 10 ** (-3.5 + 0.25 * (place % 8)) if phase == "search" else 1e-3
    curve = tuple(
        CurvePoint(
            100 * (point + 1),
            pair(peak * (1 - point / points), peak),
            pair(0.7, 1.3),
            {name: score * (1 + (points - 1 - point) / points) for name, score in scores.items()},
            float(point),
        )
        for point in range(points)
    )
    name = re.sub(r"[^\w.-]", "_", label)  # as in the names of real runs
    return RunRecord(
        run=f"{phase}-{name}-p{place if phase == 'search' else 0:03d}-r{place:03d}",
        phase=phase,
        schedule=label,
        kind=kind,
        point=place if phase == "search" else 0,
        repetition=place,
        status="diverged" if lost else "finished",
        reason="loss of the generator is nan" if lost else "",
        last_step=7 if lost else 100 * points,
        steps=100 * points,
        attempts=1,
        seconds=10.0,
        seconds_per_step=0.01,
        peak_memory_mb=500.0,
        params={"peak": peak, "discriminator_ratio": 1.0, "warmup": 0.0}
        | ({"final": 0.1} if kind == "exponential" else {}),
        scores={} if lost else scores,
        losses={} if lost else pair(0.7, 1.3),
        trial=0,
        seed_weights=1,
        seed_data=2,
        seed_latents=3,
        seed_noise=4,
        data_fingerprint="f" * 64,
        features_sha256="a" * 64,
        device="CPU",
        threads=1,
        commit="abc",
        versions={"harness": "0"},
        curve=() if lost else curve,
    )


def study(labels, kinds, title, *, question=None, phases=None, **facts):
    """study.json; `question` and `phases` are laid over those tables, other `facts` replace whole entries."""
    described = {"direction": "lower", "help": "h", "protocol": "5000 generated"}
    return json.loads(
        json.dumps(
            {
                "schema": 1,
                "harness": "0.1.0",
                "name": "example",
                "title": title,
                "question": {
                    "text": "Is decay better?",
                    "baseline": labels[0],
                    "score": "fid_digits_5k",
                    "weights": "raw",
                    "rope": 0.1,
                    "alpha": 0.05,
                    **(question or {}),
                },
                "spec": {
                    "network": {"name": "dcgan"},
                    "train": {"steps": 300, "batch": 64},
                    "evaluate": {"generated": 5000, "reference": "train"},
                },
                "sha256": "0" * 64,
                "schedules": list(labels),
                "kinds": kinds,
                "phases": {
                    "search": {"trials": 4, "sampler": "sobol", "allocation": "balanced"},
                    "select": {"top": 0, "seeds": 0},
                    "confirm": {"seeds": 8},
                    **(phases or {}),
                },
                "space": {"peak": {"low": 10**-3.5, "high": 10**-1.5, "log": True}},
                "own_space": {},
                "scores": {
                    "fid_digits_5k": {"title": "Fréchet distance", **described},
                    "noise_ratio_5k": {"title": "noise ratio", **described, "direction": "one"},
                },
                "primary": "fid_digits_5k",
                "floor": {"fid_digits_5k": 0.5},
                "data": {
                    "name": "digits",
                    "fingerprint": "f" * 64,
                    "train": 1400,
                    "held_out": 6000,
                    "shape": [8, 8, 1],
                },
                "features": {"name": "digits", "sha256": "a" * 64, "dimensions": 64},
                "environment": {
                    "python": "3.11",
                    "platform": "x",
                    "cpu": "a processor",
                    "device": "CPU",
                    "versions": {"harness": "0"},
                    "commit": "abc",
                },
                "command": "python -m harness.run_study",
                "created": "2026-11-24T00:00:00+00:00",
                **facts,
            }
        )
    )
