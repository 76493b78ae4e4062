"""How long, how much memory and how large a page: python -m benchmarks.report_scale [RUNS [EVALUATIONS]]

Makes synthetic results of a study with three schedules, then its report in a process of its own. Prints one line
(and writes JSON): seconds, seconds of processor time and peak memory of `python -m harness.report`, and the size of report.html and of all files written.
Wanted for 10,000 runs of 20 evaluations: at most 30 s, 2 GB and 5 MB; exits with 1 where that is missed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import figure, save
from tests.report.example import results

SECONDS, MEGABYTES, PAGE = 30.0, 2000.0, 5.0


def main(runs: int = 10_000, evaluations: int = 20) -> int:
    """Measure; return 1 if a limit is missed."""
    with tempfile.TemporaryDirectory() as place:
        seeds = 3 * runs // 12  # three in four runs confirm, one searches
        folder = results(Path(place) / "large", seeds=seeds, trials=runs // 3 - seeds, points=evaluations)
        kept = {path for path in folder.rglob("*") if path.is_file()}
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "harness.report", str(folder), "--quiet"], check=True)
        seconds = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        memory, worked = used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
        written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path not in kept) / 1e6
        page = (folder / "report.html").stat().st_size / 1e6
    print(
        f"{runs} runs x {evaluations} evaluations: {seconds:.1f} s ({worked:.1f} s of work), {memory:.0f} MB at the peak, page {page:.2f} MB, "
        f"all files {written:.1f} MB"
    )
    what = f"report of {runs:,} runs x {evaluations} evaluations"
    save(
        "report_scale",
        [
            figure(what, seconds, "s", target="≤ 30", met=seconds <= SECONDS),
            figure(f"{what}, peak memory", memory, "MB", target="≤ 2000", met=memory <= MEGABYTES),
            figure(f"{what}, page", page, "MB", target="≤ 5", met=page <= PAGE),
        ],
        {"processor_seconds": worked, "all_files_mb": written},
    )
    return int(seconds > SECONDS or memory > MEGABYTES or page > PAGE)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
