"""Workers against threads: `python -m benchmarks.workers [--runs 4] [--steps 1000]`.

The quick study, shortened, trained by 2 workers of 1 thread, by 1 worker of 2 threads, and by 1 worker of 1 thread,
each warm: runs per minute, the ratio of the first two, and the efficiency of two workers (their throughput against twice
that of one). Besides: what a warm worker does between two runs, from the end of one run's training and scoring to the
beginning of the next one's.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.record import figure, save
from harness import spec as specs
from harness.executors.local import LocalExecutor
from harness.plan import stages
from harness.plan.confirmed import Confirmed
from harness.worker.process import WorkerSetup

SIDES = {"2 workers x 1 thread": (2, 1), "1 worker x 2 threads": (1, 2), "1 worker x 1 thread": (1, 1)}


def quick(steps, threads):
    """The quick study with fewer steps; as many of them to an evaluation as there are."""
    spec = specs.builtin()
    train = spec.train.model_copy(update={"steps": steps, "threads": threads})
    points = max(1, round(spec.evaluate.points * steps / spec.train.steps))
    return spec.model_copy(update={"train": train, "evaluate": spec.evaluate.model_copy(update={"points": points})})


def train(spec, workers, runs):
    """Seconds for `runs` runs of warm workers, and the records."""
    first = next(stages.waves(spec, Confirmed(spec, {})))
    designs = [each for sequence in first for each in next(sequence)]
    with tempfile.TemporaryDirectory() as place:
        setup = WorkerSetup(spec, work=Path(place), cache=Path(place) / "cache", gpu=None, commit="benchmark")
        executor = LocalExecutor(setup, workers=workers)
        try:
            for future in [executor.submit(designs[0]) for _ in range(workers)]:
                assert future.result().record is not None
            waiting = [designs[1 + place % (len(designs) - 1)] for place in range(runs)]
            records, running = [], set()
            started = time.monotonic()
            while waiting or running:
                while waiting and len(running) < workers:
                    running.add(executor.submit(waiting.pop()))
                for future in [each for each in running if each.done()]:
                    running.discard(future)
                    records.append(future.result().record)
                time.sleep(0.002)
            return time.monotonic() - started, records
        finally:
            executor.close(at_once=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1000)
    words = parser.parse_args()
    rates, details = {}, {}
    for name, (workers, threads) in SIDES.items():
        seconds, records = train(quick(words.steps, threads), workers, words.runs)
        rates[name] = 60 * len(records) / seconds
        between = (seconds * workers - sum(record.seconds for record in records)) / len(records)
        details[name] = {"runs_a_minute": rates[name], "between_runs_s": between, "seconds": seconds}
        print(f"{name}: {rates[name]:.2f} runs per minute, {between:.3f} s per run besides training and scoring")
    two, one, single = (rates[name] for name in SIDES)
    between = details["1 worker x 1 thread"]["between_runs_s"]
    print(f"throughput ratio x{two / one:.2f}; efficiency of two workers {two / (2 * single):.0%}")
    figures = [
        figure(
            "2 workers of 1 thread against 1 of 2 threads", two / one, "ratio", target="≥ 1.5", met=two / one >= 1.5
        ),
        figure("efficiency of 2 workers", 100 * two / (2 * single), "%"),
        figure("between two runs of a warm worker", between, "s", target="≤ 0.3", met=between <= 0.3),
    ]
    save("workers", figures, details)


if __name__ == "__main__":
    main()
