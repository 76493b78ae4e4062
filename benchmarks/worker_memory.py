"""Memory over many runs: `python -m benchmarks.worker_memory [--runs 500]`.

A local worker trains one tiny run after another (a few steps, two evaluations of 200 images) and the driver stores
them; resident memory of both is read as they go. Flat means that the second half of the runs adds nothing to speak of:
the driver keeps the records themselves, from which the tables are written, and nothing else.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from benchmarks.record import figure, save
from harness import spec as specs
from harness.driver import preflight
from harness.driver.database import sqlite_url
from harness.driver.engine import Engine
from harness.driver.folder import Folder
from harness.driver.session import Options, Session
from harness.driver.store import TrialStore
from harness.executors.local import LocalExecutor
from harness.worker.process import WorkerSetup


def study(runs):
    """A study of so many tiny runs."""
    return specs.parse(
        'name = "memory"\nseed = 1\n[data]\nname = "digits"\n[network]\nlatent = 8\nwidth = 4\n'
        '[train]\nsteps = 40\nbatch = 16\n[evaluate]\nfeatures = "digits"\ngenerated = 200\npoints = 2\n'
        "[space]\npeak = { low = 1e-4, high = 1e-3, log = true }\n[schedules.constant]\n[schedules.linear]\n"
        f"[search]\ntrials = {runs // 2 - 4}\n[confirm]\nseeds = 4\n",
        source="memory.toml",
    )


class Watch:
    """A display that reads resident memory, in MB, as every run ends."""

    def __init__(self):
        self.driver, self.worker = [], []

    def started(self, design):
        pass

    def ended(self, record):
        assert record.status != "failed", record.reason
        process = psutil.Process()
        workers = [each for each in process.children() if "spawn_main" in " ".join(each.cmdline())]
        self.driver.append(process.memory_info().rss / 1e6)
        self.worker.append(workers[0].memory_info().rss / 1e6)

    def retrying(self, design, error):
        raise AssertionError(error)

    def tick(self):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    words = parser.parse_args()
    spec, watch = study(words.runs), Watch()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        primary = preflight.primary_score(spec)
        store = TrialStore(spec, sqlite_url(path), primary=primary)
        session = Session(spec, Options("benchmark.toml", path), Console(quiet=True), Folder(path), store)
        setup = WorkerSetup(spec, work=path / "checkpoints", cache=path / "cache", gpu=None, commit="benchmark")
        executor = LocalExecutor(setup, workers=1)
        try:
            Engine(session, executor, watch).conduct()
        finally:
            executor.close(at_once=True)
            store.close()
    figures, details = [], {"runs": len(watch.driver)}
    for name, readings in (("driver", watch.driver), ("worker", watch.worker)):
        half = np.array(readings[len(readings) // 2 :])
        slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) * 1000
        details[name] = readings[:: max(1, len(readings) // 50)]
        print(
            f"{name}: {readings[0]:.0f} MB after the first run, {readings[len(readings) // 2]:.0f} MB half-way, "
            f"{readings[-1]:.0f} MB after {len(readings)}; {slope:.0f} kB per run in the second half"
        )
        figures.append(
            figure(f"{name}, growth of memory per run over {len(readings)} runs", slope, "kB", target="flat")
        )
    save("worker_memory", figures, details)


if __name__ == "__main__":
    main()
