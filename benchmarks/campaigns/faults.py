"""The fault campaign: studies that are killed, starved and damaged must end with the tables of one left in peace.

`python -m benchmarks.campaigns.faults [--faults 60] [--seed 1]` prints the faults injected, runs lost and tables different;
its exit status is 1 unless the last two are 0. A short form runs in the suite (tests/study/test_faults.py).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

STUDY = """
name = "tiny"
seed = 3
[data]
name = "digits"
[network]
latent = 8
width = 4
[train]
steps = {steps}
batch = 16
ema = 0.9
[evaluate]
features = "digits"
generated = 100
points = 4
[space]
peak = {{ low = 1e-3, high = 1e-2, log = true }}
[schedules.constant]
[schedules.linear]
[search]
trials = {trials}
sampler = "{sampler}"
[select]
top = {top}
seeds = 1
[confirm]
seeds = {seeds}
[replicates]
min = {replicates[0]}
max = {replicates[1]}
every = 1
[safety]
checkpoint_seconds = 0.3
retries = 100
"""
ONCE = {"sampler": "sobol", "trials": 1, "top": 0, "seeds": 2, "replicates": (1, 1)}
KINDS = {
    "sobol": ONCE,
    "tpe, select": {**ONCE, "sampler": "tpe", "trials": 2, "top": 1},
    "replicates": {**ONCE, "seeds": 1, "replicates": (2, 4)},
}
MEASURED = ["seconds", "seconds_per_step", "seconds_evaluation", "started", "ended"]
MEASURED += ["peak_memory_mb", "attempts", "trial"]
SHARED = ["shared_steps", "shared_from", "shared_seconds"]  # who trained what first, which is of no run's numbers
HANG_SECONDS = 240

# What stands between Python and the disk while `HARNESS_FAULTY` names a folder: every so many openings for writing,
# fsyncs and renames beneath it fail with ENOSPC or EIO. Driver and workers load it through PYTHONPATH.
FAULTY_LAYER = """
import builtins, errno, os, random
_root, _rate = os.environ.get("HARNESS_FAULTY", ""), float(os.environ.get("HARNESS_FAULTY_RATE", "0"))
_random = random.Random(os.getpid())
def _fail(path):
    if _root and str(path).startswith(_root) and _random.random() < _rate:
        code = _random.choice((errno.ENOSPC, errno.EIO))
        raise OSError(code, os.strerror(code), str(path))
import io
_open, _replace, _fsync = io.open, os.replace, os.fsync
def open_(file, mode="r", *arguments, **words):
    if any(letter in mode for letter in "wax+"):
        _fail(file)
    return _open(file, mode, *arguments, **words)
def replace(source, target, **words):
    _fail(target)
    return _replace(source, target, **words)
def fsync(descriptor):
    with_path = os.readlink(f"/proc/self/fd/{descriptor}") if os.path.exists("/proc/self/fd") else ""
    _fail(with_path)
    return _fsync(descriptor)
builtins.open = io.open = open_
os.replace, os.fsync = replace, fsync
"""


def tables(folder: Path) -> tuple[str, ...]:
    """Everything in the tables that is not a measurement of time or energy, as text."""
    runs = pd.read_csv(folder / "runs.csv", dtype=str).drop(columns=MEASURED).drop(columns=SHARED, errors="ignore")
    runs = runs.drop(columns=runs.filter(like="joules_").columns)
    curves = pd.read_csv(folder / "curves.csv", dtype=str).drop(columns=["seconds"])
    traces = pd.read_csv(folder / "traces.csv", dtype=str)
    return (
        runs.sort_values("run").to_csv(index=False),
        curves.sort_values(["run", "step"], kind="stable").to_csv(index=False),
        traces.sort_values("run", kind="stable").to_csv(index=False),  # steps stay in order
        (folder / "contrasts.csv").read_text(),
    )


@dataclass
class Campaign:
    """Studies run one after another with faults until `wanted` were injected; what was found."""

    home: Path
    wanted: int
    seed: int
    steps: int = 600
    faults: Counter[str] = field(default_factory=Counter)
    studies: int = 0
    sessions: int = 0
    lost: int = 0
    different: int = 0
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the faulty layer."""
        self.random = random.Random(self.seed)
        (self.home / "layer").mkdir(parents=True)
        (self.home / "layer" / "sitecustomize.py").write_text(FAULTY_LAYER)
        self._whole: dict[str, Path] = {}

    def start(self, folder: Path, *, rate: float = 0.0) -> subprocess.Popen[str]:
        """Start a driver with two workers on the study in `folder`."""
        path = [str(self.home / "layer"), *filter(None, [os.environ.get("PYTHONPATH")])]
        faulty = {"HARNESS_FAULTY": str(folder / "results"), "HARNESS_FAULTY_RATE": str(rate)} if rate else {}
        self.sessions += 1
        return subprocess.Popen(
            [sys.executable, "-m", "harness.run_study", "tiny.toml", "--workers", "2"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path)} | faulty,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def whole(self, kind: str) -> Path:
        """The results of the study of this kind, left in peace."""
        if kind not in self._whole:
            folder = self.prepare(f"whole-{len(self._whole)}", kind)
            process = self.start(folder)
            _, err = process.communicate(timeout=HANG_SECONDS)
            assert process.returncode == 0, err
            self._whole[kind] = folder / "results" / "tiny"
        return self._whole[kind]

    def prepare(self, name: str, kind: str) -> Path:
        """A folder with the study file in it."""
        folder = self.home / name
        folder.mkdir()
        (folder / "tiny.toml").write_text(STUDY.format(steps=self.steps, **KINDS[kind]), encoding="utf-8")
        return folder

    def conduct(self) -> None:
        """Run studies until enough faults were injected; compare each with its peaceful twin."""
        while self.faults.total() < self.wanted:
            kind = list(KINDS)[self.studies % len(KINDS)]
            reference = self.whole(kind)
            folder = self.prepare(f"study-{self.studies}", kind)
            self.studies += 1
            while not self.session(folder):
                self.damage(folder / "results" / "tiny" / "checkpoints")
            mine, theirs = tables(folder / "results" / "tiny"), tables(reference)
            self.different += sum(a != b for a, b in zip(mine, theirs, strict=True))
            names = [set(pd.read_csv(place / "runs.csv")["run"]) for place in (reference, folder / "results" / "tiny")]
            self.lost += len(names[0] - names[1])

    def session(self, folder: Path) -> bool:
        """One driver, harassed until it ends; whether the study is complete."""
        rate = 0.1 if self.random.random() < 0.2 and self.faults.total() < self.wanted else 0.0
        process = self.start(folder, rate=rate)
        if rate:
            self.faults["ENOSPC and EIO (sessions)"] += 1
        started, asked = time.monotonic(), False
        while True:
            try:
                process.wait(timeout=self.random.uniform(0.3, 6.0))
                break
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() - started > HANG_SECONDS:
                self.complaints.append("a driver hung")
                os.killpg(process.pid, signal.SIGKILL)
            elif not asked and self.faults.total() < self.wanted:
                asked = self.inject(process, folder)
        _, err = process.communicate(timeout=30)
        if "Traceback" in err:
            self.complaints.append(err)
        if process.returncode not in (0, 1, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
            self.complaints.append(f"exit status {process.returncode}: {err}")
        if process.returncode == 1 and not rate and "it died 3 times" not in err:  # which it truly did
            self.complaints.append(f"exit status 1 without a disk fault: {err}")
        return process.returncode == 0

    def inject(self, process: subprocess.Popen[str], folder: Path) -> bool:
        """One fault of a random kind; whether the driver was told to end."""
        fault = self.random.choices(
            ("SIGKILL worker", "SIGKILL driver", "Ctrl-C", "SIGTERM driver", "SIGTERM worker", "database locked"),
            weights=(50, 20, 8, 7, 8, 7),
        )[0]
        if "worker" in fault:
            found = subprocess.run(
                ["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True
            )
            workers = found.stdout.split()
            if not workers:
                return False
            number = signal.SIGKILL if "KILL" in fault else signal.SIGTERM
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self.random.choice(workers)), number)
        elif fault == "database locked":
            path = folder / "results" / "tiny" / "study.db"
            if not path.exists():
                return False
            with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(self.random.uniform(0.5, 3))
                other.execute("ROLLBACK")
        else:
            number = {"SIGKILL driver": signal.SIGKILL, "Ctrl-C": signal.SIGINT, "SIGTERM driver": signal.SIGTERM}[
                fault
            ]
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        self.faults[fault] += 1
        return fault in ("SIGKILL driver", "Ctrl-C", "SIGTERM driver")

    def damage(self, checkpoints: Path) -> None:
        """Between two sessions: truncate, flip a bit of, or empty some checkpoint."""
        found = sorted(checkpoints.glob("*.npz")) if checkpoints.exists() else []
        if not found or self.faults.total() >= self.wanted or self.random.random() < 0.4:
            return
        time.sleep(1.5)  # workers of a killed driver notice within a second
        path = self.random.choice(found)
        content = bytearray(path.read_bytes())
        how = self.random.choice(("truncated", "bit flipped", "emptied"))
        if how == "truncated":
            content = content[: self.random.randrange(len(content) or 1)]
        elif how == "bit flipped" and content:
            content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
        else:
            content = bytearray()
        path.write_bytes(content)
        self.faults[f"checkpoint {how}"] += 1

    def report(self) -> str:
        """What was injected and what it did."""
        lines = [f"{count:5}  {name}" for name, count in sorted(self.faults.items())]
        lines.append(
            f"{self.faults.total()} faults over {self.studies} studies and {self.sessions} drivers: "
            f"{self.lost} runs lost, {self.different} tables different, {len(self.complaints)} complaints"
        )
        return "\n".join([*lines, *self.complaints])

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, changed or said in a traceback."""
        return not (self.lost or self.different or self.complaints)


def main() -> None:
    """Run the long form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--faults", type=int, default=60)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        campaign = Campaign(Path(home), chosen.faults, chosen.seed)
        campaign.conduct()
    print(campaign.report())
    sys.exit(0 if campaign.clean else 1)


if __name__ == "__main__":
    main()
