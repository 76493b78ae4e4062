"""Simulate, draw, write the tables and their page: `python -m benchmarks.calibration`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.calibration import growth, judged, page, truth, whole
from benchmarks.calibration.worlds import WORLDS, Setting

Job = tuple[Callable[..., Any], tuple[Any, ...]]
FIXED = ((8,), (10,), (20,), (40,))
LOOKS = ((8, 12, 16, 20), (6, 10, 20), (10, 20, 40))
EFFECTS = (0.5, 1.0, 2.0)
# Six schedules, each study of which takes three times as long: the other looks are tried in these worlds alone.
HARD = {("gaussian", 0.0, 0.4), ("heteroscedastic, skewed", 0.0, 0.4)}


def jobs() -> dict[str, list[Job]]:
    """What is simulated: table name to (function, arguments before `studies` and `seed`)."""
    null = [
        Setting(schedules, looks, *world)
        for schedules in (3, 6)
        for looks in (*FIXED[:3], *LOOKS)
        for world in WORLDS
        if schedules == 3 or len(looks) == 1 or looks == LOOKS[0] or world in HARD
    ]
    power = [
        Setting(schedules, looks, noise, effect=effect)
        for schedules in (3, 6)
        for looks in (*FIXED, *LOOKS)
        for noise in ("gaussian", "skewed")
        for effect in EFFECTS
        if schedules == 3 or looks in FIXED[:3] or looks == LOOKS[0]
    ]
    edge = [
        Setting(3, looks, noise, effect=1.0, rope=1.0)
        for looks in (*FIXED[:3], *LOOKS)
        for noise in ("gaussian", "skewed")
    ]
    few = [
        Setting(schedules, noise=noise, divergence=divergence)
        for schedules in (3, 6)
        for noise, divergence in (("gaussian", 0.0), ("skewed", 0.0), ("heavy-tailed", 0.0), ("gaussian", 0.3))
    ]
    return {
        "null": [(judged.verdicts, (setting,)) for setting in null],
        "power": [(judged.verdicts, (setting,)) for setting in power],
        "equivalence": [
            (judged.verdicts, (setting,)) for setting in (*edge, *(replace(each, effect=0.0) for each in edge))
        ],
        "growth": [(growth.grown, each) for each in growth.plan()],
        "practice": [(judged.practice, (setting,)) for setting in few],
        "whole": [(whole.whole, each) for each in whole.plan()],
        "truth": [(truth.resampled, each) for each in truth.plan()],
    }


def table(rows: list[Any]) -> pd.DataFrame:
    """One table of what jobs returned, a row or several rows each."""
    return pd.DataFrame([row for found in rows for row in (found if isinstance(found, list) else [found])])


def simulate(studies: int, workers: int, names: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables named, one after the other; the same for any number of workers."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for name in names:
            started = time.monotonic()
            futures = [
                pool.submit(function, *arguments, studies, 1000 * place + len(name))
                for place, (function, arguments) in enumerate(jobs()[name])
            ]
            yield name, table([future.result() for future in futures])
            print(f"{name}: {len(futures)} settings in {time.monotonic() - started:.0f} s", flush=True)


def load(folder: Path) -> dict[str, pd.DataFrame]:
    """The committed tables."""
    return {name: pd.read_csv(folder / f"{name}.csv", dtype={"looks": str}) for name in jobs()}


def main() -> None:
    """Simulate, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", nargs="+", choices=list(jobs()), default=list(jobs()), help="tables to make anew")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=truth.FOLDER)
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # workers are the parallelism
        os.environ.setdefault(name, "1")
    started = time.monotonic()
    given.output.mkdir(parents=True, exist_ok=True)
    for name, frame in simulate(given.studies, given.workers, given.only):
        frame.to_csv(given.output / f"{name}.csv", index=False, float_format="%.6g")
    command = f"python -m benchmarks.calibration --studies {given.studies}"
    (given.output / "README.md").write_text(page.page(load(given.output), command), encoding="utf-8")
    print(f"{time.monotonic() - started:.0f} s; {given.output / 'README.md'}")


if __name__ == "__main__":
    main()
