"""What the driver costs: `python -m benchmarks.driver_cost [--runs 10 100 1000] [--concurrent 1000] [--seconds 60]`.

Runs are stubs that end at once with a plausible record (four evaluations of 24 scores, two sample grids), so that all
that is left is the driver: planning, asking, telling Optuna, files, tables. The first part conducts whole studies of
several sizes and compares the last tenth of their runs with the first; TPE's proposals are timed apart, since Optuna
computes them from all trials so far. The second part keeps `--concurrent` runs under way, of which one ends per second,
and says which share of a core the driver takes, with lines and with the live display.
"""

import argparse
import collections
import io
import random
import tempfile
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.ours import both
from benchmarks.record import figure, save
from harness import spec as specs
from harness.driver import progress
from harness.driver.database import sqlite_url
from harness.driver.engine import Engine, Stopped
from harness.driver.folder import Folder
from harness.driver.session import Options, Session
from harness.driver.store import TrialStore
from harness.plan import stages, tpe
from harness.results.record import CurvePoint, RunRecord
from harness.worker.process import RunOutcome

MEASURES = [
    "fid",
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
    "memorisation",
    "overfitting",
    "noise",
    "detail",
    "floor",
    "spread",
]
SCORES = [f"{name}_digits_5k{suffix}" for name in MEASURES for suffix in ("", "_ema")]
PRIMARY = SCORES[0]
GRID = random.Random(0).randbytes(12_000)
STUDY = {
    "spec": {"train": {"steps": 2000, "threads": 1}},
    "data": {"fingerprint": "f" * 64},
    "features": {"sha256": "s" * 64},
    "environment": {"device": "CPU", "commit": "c" * 12, "versions": dict.fromkeys("abcdefg", "1.0.0")},
}
PARTS = ("planning", "telling Optuna", "files of a run", "tables", "display")


def study(runs, sampler="sobol"):
    """A study of two schedules with so many runs."""
    text = (
        'name = "cost"\nseed = 1\n[data]\nname = "digits"\n[train]\nsteps = 2000\n[evaluate]\nfeatures = "digits"\n'
        "[space]\npeak = { low = 1e-4, high = 1e-2, log = true }\n[schedules.constant]\n[schedules.linear]\n"
        f'[search]\ntrials = {runs // 2 - 4}\nsampler = "{sampler}"\n[confirm]\nseeds = 4\n'
    )
    return specs.parse(text, source="cost.toml")


def record(design):
    """A finished run's record."""
    rng = random.Random(design.run)
    curve = [
        CurvePoint(step, both(1e-3), both(rng.random()), {name: rng.random() for name in SCORES}, step / 100)
        for step in (500, 1000, 1500, 2000)
    ]
    base = RunRecord.failed(design.to_json() | {"run": design.run}, reason="", attempts=1, study=STUDY).to_json()
    changed = {"status": "finished", "last_step": 2000, "seconds": 20.0, "scores": dict(curve[-1].scores)}
    return RunRecord.from_json(base | changed | {"curve": [place.to_json() for place in curve]})


class Stub:
    """Runs end at once, or (`every` seconds) one after another in an order of its own, whatever is under way."""

    def __init__(self, slots, *, every=None):
        self.slots, self._waiting = slots, collections.deque()
        if every is not None:
            threading.Thread(target=self._end_now_and_then, args=(every,), daemon=True).start()
        self._every = every

    def submit(self, design):
        future = Future()
        if self._every is None:
            future.set_result(_ended(design))
        else:
            self._waiting.append((future, design))
        return future

    def _end_now_and_then(self, every):
        started = time.monotonic()
        for number in range(1, 10**9):
            time.sleep(max(0.0, started + number * every - time.monotonic()))
            if self._waiting:
                future, design = self._waiting.popleft()
                future.set_result(_ended(design))


def _ended(design):
    return RunOutcome(record(design), {"": GRID, "-ema": GRID})


class Clock:
    """Seconds spent in parts of the driver, by wrapping the functions that are these parts."""

    def __init__(self):
        self.spent, self._open = collections.Counter(), []

    def timed(self, part, function):
        def wrapped(*arguments, **words):
            started = time.perf_counter()
            self._open.append(0.0)
            try:
                return function(*arguments, **words)
            finally:
                gone = time.perf_counter() - started
                self.spent[part] += gone - self._open.pop()  # what lies inside is another part's
                if self._open:
                    self._open[-1] += gone

        return wrapped


def session(spec, path, store):
    """A study in the folder `path`, as the engine takes it."""
    return Session(spec, Options("benchmark.toml", path), Console(quiet=True), Folder(path), store)


def conduct(runs, *, sampler="sobol"):
    """Conduct a study of `runs` stub-trained runs; return milliseconds per run, whole and by part, and how they grew."""
    spec = study(runs, sampler)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        store = TrialStore(spec, sqlite_url(path), primary=PRIMARY)
        clock, ends = Clock(), []
        shown = progress.PlainDisplay(progress.Tally(spec, PRIMARY, 2, {}), Console(file=io.StringIO()))
        engine = Engine(session(spec, path, store), Stub(2), shown)
        original = shown.ended
        shown.ended = lambda ended: (original(ended), ends.append((time.perf_counter(), time.process_time())))
        shown.ended = clock.timed("display", shown.ended)
        store.add = clock.timed("telling Optuna", store.add)
        engine._write_tables = clock.timed("tables", engine._write_tables)
        engine._finish = clock.timed("files of a run", engine._finish)
        with ExitStack() as stack:
            for owner, name in ((stages, "stages"), (tpe, "propose")):
                before = getattr(owner, name)
                stack.callback(setattr, owner, name, before)
            tpe.propose = clock.timed("asking TPE", tpe.propose)
            started, worked = time.perf_counter(), time.process_time()
            engine.conduct()
            whole, processor = time.perf_counter() - started, time.process_time() - worked
        store.close()
        size = (path / "study.db").stat().st_size
    tenth = max(1, len(ends) // 10)
    first, last = (
        [(b - a) / tenth * 1e3 for a, b in zip(ends[start], ends[start + tenth], strict=True)]
        for start in (0, len(ends) - tenth - 1)
    )
    return {
        "runs": len(ends),
        "sampler": sampler,
        "ms": whole / len(ends) * 1e3,
        "processor_ms": processor / len(ends) * 1e3,
        "first_tenth_processor_ms": first[1],
        "last_tenth_processor_ms": last[1],
        "parts_ms": {part: spent / len(ends) * 1e3 for part, spent in sorted(clock.spent.items())},
        "database_kb_a_run": size / len(ends) / 1e3,
    }


def concurrent(slots, seconds, *, live):
    """The share of a core the driver takes while one of `slots` runs under way ends each second."""
    spec = study(2 * (slots + 10 * int(seconds)) + 8)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        store = TrialStore(spec, sqlite_url(path), primary=PRIMARY)
        console = Console(file=io.StringIO(), force_terminal=live, width=120, height=50)
        tally = progress.Tally(spec, PRIMARY, slots, {})
        shown = (
            progress.LiveDisplay(tally, console, path / "checkpoints")
            if live
            else progress.PlainDisplay(tally, console)
        )
        (path / "checkpoints").mkdir()
        with shown:
            engine = Engine(session(spec, path, store), Stub(slots, every=1.0), shown)
            marks = {}

            def watch():
                time.sleep(5.0)  # past the start, when all slots are filled
                marks["before"] = (time.process_time(), time.monotonic(), len(store.records))
                time.sleep(seconds)
                marks["after"] = (time.process_time(), time.monotonic(), len(store.records))
                engine.stopping = True

            threading.Thread(target=watch, daemon=True).start()
            try:
                engine._drain = lambda: None
                engine.conduct()
            except Stopped:
                pass
        store.close()
    spent, gone, stored = (after - before for before, after in zip(marks["before"], marks["after"], strict=True))
    return {"slots": slots, "live": live, "share": spent / gone, "ended": round(gone), "stored": stored}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--tpe", type=int, nargs="*", default=[100])
    parser.add_argument("--concurrent", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    words = parser.parse_args()
    rows = [conduct(runs) for runs in words.runs] + [conduct(runs, sampler="tpe") for runs in words.tpe]
    for row in rows:
        parts = ", ".join(f"{part} {value:.2f}" for part, value in row["parts_ms"].items())
        print(
            f"{row['runs']:6} runs, {row['sampler']:5}: {row['ms']:6.1f} ms per run, {row['processor_ms']:.1f} of a processor "
            f"({row['first_tenth_processor_ms']:.1f} in the first tenth, {row['last_tenth_processor_ms']:.1f} in the last; "
            f"{parts}), {row['database_kb_a_run']:.0f} kB per run in the database"
        )
    figures = [
        figure(f"driver, processor time per run, study of {row['runs']} runs", row["processor_ms"], "ms")
        for row in rows
        if row["sampler"] == "sobol"
    ]
    largest = max((row for row in rows if row["sampler"] == "sobol"), key=lambda row: row["runs"], default=None)
    if largest is not None:
        growth = largest["last_tenth_processor_ms"] / largest["first_tenth_processor_ms"]
        figures.append(
            figure(
                f"driver, last tenth of {largest['runs']} runs against the first",
                growth,
                "ratio",
                target="about 1",
                met=growth < 1.3,
            )
        )
    shares = [concurrent(words.concurrent, words.seconds, live=live) for live in (False, True)] if words.seconds else []
    for share in shares:
        kind = "live display" if share["live"] else "lines"
        print(
            f"{share['slots']} runs under way, {share['ended']} ended and {share['stored']} stored in {share['ended']} s, "
            f"{kind}: {share['share']:.1%} of a core"
        )
        figures.append(
            figure(
                f"driver with {share['slots']} executors, one run per second, {kind}",
                100 * share["share"],
                "% of a core",
                target="≤ 20",
                met=share["share"] <= 0.2,
            )
        )
    save("driver_cost", figures, {"studies": rows, "concurrent": shares})


if __name__ == "__main__":
    main()
