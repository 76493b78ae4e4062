"""Time and memory against steps, image size, batch, runs and workers: `python -m benchmarks.growth [--quick]`.

Every row is a fresh process that trains `dcgan` of the quick study's width, on one thread: seconds per step are the least of
several chunks, memory is the largest resident size of the process. "A unit" divides processor time, which other work on
the machine hardly changes, by what should drive it (steps, work of a step, images, runs), and wall time by steps over all
workers: where it stays level, growth is linear.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks import record

ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """What one process trains."""

    axis: str
    value: int
    side: int = 8
    batch: int = 64
    steps: int = 200
    runs: int = 1
    workers: int = 1


def cases(*, short: bool) -> list[Case]:
    """Every row of the table; the short form leaves out the largest of each axis."""
    made = [Case("steps", steps, steps=steps) for steps in (250, 500, 1000, 2000)]
    made += [Case("image side", side, side=side, steps=400 * 8 // side) for side in (8, 16, 32, 64)]
    made += [Case("batch", batch, batch=batch) for batch in (32, 64, 128, 256)]
    made += [Case("runs", runs, runs=runs) for runs in (1, 4, 16, 32)]
    made += [Case("workers", workers, workers=workers, steps=1000) for workers in (1, 2)]
    last = {each.axis: each for each in made}
    return [each for each in made if each is not last[each.axis] or each.axis == "workers"] if short else made


def measure(case: Case) -> dict[str, float]:
    """In this process: seconds of all runs (set-up and first trace apart), and memory in MB before and after."""
    import resource

    import numpy as np
    from threadpoolctl import threadpool_limits

    from harness.worker import device

    threadpool_limits(1)
    device.configure(threads=1, gpu=None)
    from benchmarks import ours
    from benchmarks.ours import both
    from harness.seeds import Seeds
    from harness.spec.models import TrainSpec

    images = np.random.default_rng(0).integers(0, 256, (2048, case.side, case.side, 1), dtype=np.uint8)
    started = time.perf_counter()
    trainer = ours.model("dcgan", TrainSpec(steps=case.steps, batch=case.batch), images)
    rates = np.full(case.steps, 1e-4, np.float32)
    trainer.start(Seeds(1, 2, 3, 4))
    trainer.advance(both(rates[:2]))
    set_up = time.perf_counter() - started
    seconds, processor = [], []
    for _ in range(ROUNDS if case.runs == 1 else 1):
        started, cpu = time.perf_counter(), time.process_time()
        for run in range(case.runs):
            trainer.start(Seeds(run, 2, 3, 4))
            trainer.advance(both(rates))
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": min(seconds), "cpu_s": min(processor), "set_up_s": set_up, "peak_mb": peak}


def run(case: Case) -> dict[str, float]:
    """The row of a case: its workers at the same time, each a process; time is the slowest worker's, memory the sum."""
    words = [sys.executable, "-m", "benchmarks.growth", "--case", json.dumps(asdict(case))]
    processes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(case.workers)
    ]
    answers = [json.loads(process.communicate()[0]) for process in processes]
    seconds, peak = max(each["seconds"] for each in answers), sum(each["peak_mb"] for each in answers)
    cpu = max(each["cpu_s"] for each in answers)
    return {
        "seconds": seconds,
        "cpu_s": cpu,
        "unit": (seconds if case.axis == "workers" else cpu) / units(case),
        "peak_mb": peak,
        "set_up_s": max(each["set_up_s"] for each in answers),
    }


def units(case: Case) -> float:
    """What the time should be in proportion to, as an axis names it."""
    match case.axis:
        case "steps":
            return case.steps
        case "image side":
            return case.steps * step_work(case)
        case "batch":
            return case.steps * case.batch
        case "runs":
            return case.runs * case.steps
    return case.steps * case.workers


def step_work(case: Case) -> float:
    """GFLOP of a step of `dcgan` at the case's side."""
    from benchmarks.peers.plan import dcgan, step_flop

    return 1e-9 * step_flop(dcgan(case.side), case.batch)


UNITS = {
    "steps": "ms per step",
    "image side": "ms a GFLOP",
    "batch": "ms per image",
    "runs": "ms per step",
    "workers": "ms per step over all workers",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="without the largest value of each axis")
    options.add_argument("--case", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.case:
        print(json.dumps(measure(Case(**json.loads(chosen.case)))))
        return
    rows = []
    print(
        f"{'axis':12}{'value':>7}{'steps':>7}{'seconds':>9}{'CPU s':>8}{'a unit':>10}   {'':28}{'peak MB':>8}{'set-up s':>9}"
    )
    for case in cases(short=chosen.quick):
        row = run(case)
        rows.append(asdict(case) | row)
        print(
            f"{case.axis:12}{case.value:7}{case.steps:7}{row['seconds']:9.2f}{row['cpu_s']:8.2f}{1e3 * row['unit']:10.4f}   "
            f"{UNITS[case.axis]:28}{row['peak_mb']:8.0f}{row['set_up_s']:9.2f}",
            flush=True,
        )
    record.save("growth", figures(rows), rows, short=chosen.quick)


def figures(rows: list[dict]) -> list[dict]:
    """For each axis: how much time a unit and memory changed from its first row to its last."""
    made = []
    for axis, unit in UNITS.items():
        own = [row for row in rows if row["axis"] == axis]
        first, last = own[0], own[-1]
        span = f"{axis} {first['value']} to {last['value']}"
        made.append(record.figure(f"growth, {span}: change of {unit}", last["unit"] / first["unit"], "x"))
        made.append(record.figure(f"growth, {span}: change of peak memory", last["peak_mb"] / first["peak_mb"], "x"))
    return made


if __name__ == "__main__":
    main()
