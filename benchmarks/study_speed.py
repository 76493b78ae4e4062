"""The quick study against a user's own script of it: `python -m benchmarks.study_speed [--runs 12] [--quick]`.

The script is `benchmarks.user_study`: Optuna, Keras models and a compiled step built for each trial, SciPy's
`sqrtm`. Both sides train the same networks for the same steps and score the same numbers of images at the same points with
the same features; that they find the same FID and KID of the same images is checked first. Ours computes eight scores
besides. The harness runs as it does by default (one worker per core); the script runs as written, one process on all cores, and
as two processes that share the database, one thread each. Start-up, until the first run begins, is reported apart. Memory
is the largest sum of proportional set sizes over all processes of a side. Processor seconds per run count every process of a
side with its start-up: other work on the machine hardly changes them, where runs per minute suffer.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import psutil

from benchmarks import record

STUDY = """
name = "speed"
seed = 2026
[data]
name = "digits"
[train]
steps = 2000
[evaluate]
features = "digits"
points = 4
[space]
peak = {{ low = 5e-4, high = 2e-2, log = true }}
[schedules.constant]
[schedules.linear]
[schedules.exponential]
final = {{ low = 0.01, high = 0.3, log = true }}
[search]
trials = {trials}
[confirm]
seeds = {seeds}
"""
SAME = """
import numpy as np
from harness import data, spec
from harness.worker import device
device.configure(threads=1, gpu=None)
from harness.metrics import features
from harness.metrics.evaluation import Evaluator
from harness.scores import ScoreName
from benchmarks.user_study import Scores
images, extractor = data.load(spec.builtin().data), features.load("digits")
ours = Evaluator(extractor, train=images.train, held_out=images.held_out, reference="train", generated=5000, cache=None,
                 fingerprint="benchmark")
noise = np.random.default_rng(0).integers(0, 64, (5000, 8, 8, 1))
made = np.clip(images.train[np.arange(5000) % len(images.train)] + noise, 0, 255).astype(np.uint8)
mine, theirs = ours.scores(made), Scores(extractor, images.train)(made)
for name, value in theirs.items():
    other = mine[str(ScoreName(name, "digits", 5000))]
    print(f"{name}: ours {other:.9g}, the script's {value:.9g}")
    assert abs(other - value) <= 1e-6 * abs(value), name
"""


@dataclass(frozen=True)
class Side:
    """What one side took: seconds until its first run began and from there to the end of its last; processor seconds and memory (MB) of all."""

    name: str
    runs: int
    start_up_s: float
    seconds: float
    cpu_s: float
    peak_mb: float

    @property
    def runs_per_minute(self) -> float:
        """Without start-up."""
        return 60.0 * self.runs / self.seconds

    @property
    def cpu_s_per_run(self) -> float:
        """With start-up."""
        return self.cpu_s / self.runs


def watch(commands: list[list[str]], begun: Callable[[], bool]) -> tuple[float, float, float, float]:
    """Seconds until `begun`, seconds from there to the end, processor seconds, peak memory in MB; SystemExit if one fails."""
    started, first, peak, cpu = time.monotonic(), 0.0, 0, _ended_cpu()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        for words in commands
    ]
    looked = 0.0
    while any(process.poll() is None for process in processes):
        if not first and begun():
            first = time.monotonic()
        if time.monotonic() - looked > 1.0:
            looked = time.monotonic()
            peak = max(peak, sum(_memory(process.pid) for process in processes))
        time.sleep(0.05)
    ended = time.monotonic()
    for words, process in zip(commands, processes, strict=True):
        if process.returncode:
            raise SystemExit(f"exit status {process.returncode}: {' '.join(words)}")
    return first - started, ended - first, _ended_cpu() - cpu, peak / 1e6


def _ended_cpu() -> float:
    """Processor seconds of all processes below this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(pid: int) -> int:
    """Bytes of a process and all below it, shared pages divided among those who share them."""
    total = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


def ours(runs: int, folder: Path) -> Side:
    """The study of so many runs, as `run_study` conducts it; writing the tables is part of it, the report is not."""
    trials = max(1, runs // 9)
    (folder / "study.toml").write_text(STUDY.format(trials=trials, seeds=runs // 3 - trials), encoding="utf-8")
    results = folder / "results"
    words = [sys.executable, "-m", "harness.run_study", str(folder / "study.toml"), "--output", str(results)]
    measured = watch([[*words, "--quiet", "--no-report"]], lambda: next(results.rglob("*.progress"), None) is not None)
    finished = pd.read_csv(results / "runs.csv")["status"].isin(["finished", "diverged"]).sum()
    return Side("harness, one worker per core", int(finished), *measured)


def theirs(runs: int, folder: Path, processes: int) -> Side:
    """As many trials of the user's script."""
    database = folder / f"user{processes}.db"
    words = [sys.executable, "-m", "benchmarks.user_study", str(database), "--trials", str(runs // processes)]
    if processes > 1:
        words += ["--threads", "1"]
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.create_study(study_name="user", storage=f"sqlite:///{database}")
    measured = watch([words] * processes, lambda: _trials(database) > 0)
    name = "script, one process on all cores" if processes == 1 else f"script, {processes} processes of one thread"
    return Side(name, _trials(database), *measured)


def _trials(database: Path) -> int:
    """Trials in an Optuna database, begun or ended; 0 while there is none."""
    import sqlite3

    if not database.exists():
        return 0
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0])
        finally:
            connection.close()
    return 0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=12, help="runs a side, a multiple of 6")
    options.add_argument("--quick", action="store_true", help="6 runs a side")
    chosen = options.parse_args()
    runs = 6 if chosen.quick else chosen.runs
    if runs % 6:
        options.error(f"--runs is {runs}, but allowed is a multiple of 6")
    same = subprocess.run([sys.executable, "-c", SAME], capture_output=True, text=True, check=False)
    if same.returncode:
        sys.exit(f"the two sides score the same images differently:\n{same.stdout}{same.stderr[-500:]}")
    print(same.stdout, end="")
    with tempfile.TemporaryDirectory() as place:
        sides = [ours(runs, Path(place)), theirs(runs, Path(place), 1), theirs(runs, Path(place), 2)]
    mine, *others = sides
    for side in sides:
        ratio = mine.runs_per_minute / side.runs_per_minute
        print(
            f"{side.name:36}{side.runs:3} runs  {side.runs_per_minute:6.2f} runs/min after {side.start_up_s:4.1f} s of "
            f"start-up, {side.cpu_s_per_run:5.1f} CPU s per run, peak {side.peak_mb:5.0f} MB   harness x{ratio:.2f}, "
            f"by CPU x{side.cpu_s_per_run / mine.cpu_s_per_run:.2f}"
        )
    figures = [record.figure("whole quick study: runs per minute", mine.runs_per_minute, "/min")]
    for other in others:
        ratio = mine.runs_per_minute / other.runs_per_minute
        target = 4.0 if other is others[0] else 2.5
        figures.append(
            record.figure(
                f"whole quick study: harness against a user's {other.name}",
                ratio,
                "x",
                target=f"≥ {target:g}",
                met=ratio >= target,
            )
        )
        saved = other.cpu_s_per_run / mine.cpu_s_per_run
        figures.append(
            record.figure(f"whole quick study: processor time per run, {other.name} against harness", saved, "x")
        )
    figures += [record.figure(f"whole quick study: peak memory, {side.name}", side.peak_mb, "MB") for side in sides]
    details = [asdict(side) | {"runs_per_minute": side.runs_per_minute} for side in sides]
    record.save("study_speed", figures, details, short=chosen.quick)


if __name__ == "__main__":
    main()
