"""The figures that a change of speed moves, measured again within a quarter of an hour: `python -m benchmarks.campaigns.speed`.

Runs the short forms of PARTS one after another, then writes the performance page. A part that would not end within
`--minutes` by its own estimate is left out and named, and so is one that fails; their figures stay as they are, with their dates.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks import performance


@dataclass(frozen=True)
class Part:
    """A benchmark's words, and about how many minutes it takes on two idle cores."""

    words: tuple[str, ...]
    minutes: float


PARTS = (
    Part(("training_speed", "--quick", "--no-check", "--network", "article"), 5.0),
    Part(("study_speed", "--quick"), 3.5),
    Part(
        (
            *("training_speed", "--quick", "--no-check", "--network", "quick"),
            *("--sides", "ours_bfloat16", "torch", "jax", "keras"),
        ),
        2.5,
    ),
    Part(("evaluation_speed",), 0.5),
    Part(("workers", "--runs", "4"), 2.0),
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--minutes", type=float, default=15.0, help="no part begins that would end later (default: 15)"
    )
    chosen = options.parse_args()
    started, left_out = time.monotonic(), []
    for part in PARTS:
        used = (time.monotonic() - started) / 60
        title = " ".join(part.words)
        if used + part.minutes > chosen.minutes:
            left_out.append(f"{title}: takes about {part.minutes:g} minutes, and {used:.1f} are used")
            continue
        print(f"\n=== {title}", flush=True)
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{part.words[0]}", *part.words[1:]]).returncode
        if status:
            left_out.append(f"{title}: exit status {status}")
    performance.write(performance.stored())
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
