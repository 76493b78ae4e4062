"""Whether the committed studies come again: `python -m benchmarks.campaigns.reproduction`.

Trains runs of every committed study again by `python -m harness.reproduce`, spread evenly over its runs, and writes what agreed
to results/reproduction.md. A study of a data set that is not shipped needs its files where its study file names them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import record
from harness import files
from harness.driver.code_version import commit
from harness.results import agreement, load

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "results" / "reproduction.md"


def again(folder: Path, *, runs: int) -> dict[str, Any]:
    """One row of the page: the study, its runs' commit and processor, and how many numbers agree how well."""
    command = [sys.executable, "-m", "harness.reproduce", str(folder), "--runs", str(runs), "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise SystemExit(f"{folder.name}: {done.stderr.strip().splitlines()[-1]}") from error
    verdicts = [each["verdict"] for each in found["numbers"]]
    environment = load(folder).study.environment
    return {
        "study": folder.name,
        "trained at": environment.commit,
        "on": environment.cpu,
        "runs again": found["runs"],
        "numbers": len(verdicts),
        **{verdict: verdicts.count(verdict) for verdict in agreement.VERDICTS},
    }


def main() -> None:
    """Train, compare, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaigns.reproduction", description=__doc__)
    parser.add_argument("studies", nargs="*", metavar="NAME", help="folders of results/ (default: all studies)")
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="runs of each study (default 3)")
    chosen = parser.parse_args()
    folders = [ROOT / "results" / name for name in chosen.studies] or sorted(
        path.parent for path in (ROOT / "results").glob("*/runs.csv") if path.parent.name != "quick"
    )
    rows = []
    for folder in folders:
        rows.append(again(folder, runs=chosen.runs))
        print(rows[-1], flush=True)
    machine = record.machine()
    files.write(PAGE, page(pd.DataFrame(rows), machine).encode())
    print(PAGE)


def page(frame: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The page: one sentence, the table, where it was made."""
    numbers = int(frame["numbers"].sum())
    alike = "; ".join(
        f"{int(frame[verdict].sum()):,} are {verdict}" for verdict in agreement.VERDICTS if frame[verdict].any()
    )
    return "\n".join(
        [
            "# Do the committed studies come again?",
            "",
            f"**Of {len(frame)} studies {int(frame['runs again'].sum())} runs were trained again, and {numbers:,} numbers compared (scores, losses, "
            f"rates): {alike}.**",
            "",
            frame.to_markdown(index=False),
            "",
            "Each study's runs are spread evenly over its table. *Identical* is to the last digit. Other processors round otherwise: *within rounding* "
            "is 1e-4 relative; *within seed spread* is no farther apart than two seeds of that configuration are in 19 of 20 pairs.",
            "",
            f"Made by `python -m benchmarks.campaigns.reproduction` on {datetime.now(UTC):%Y-%m-%d} at `{commit()}`, "
            f"{machine['processor']}, {machine['cores']} cores.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
