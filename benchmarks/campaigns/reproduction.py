"""Whether the committed studies come again: `python -m benchmarks.campaigns.reproduction`.

Trains runs of every committed study again by `python -m harness.reproduce`, spread evenly over its runs. A study's row goes to
results/reproduction.csv as soon as its runs are trained, in place of the row that it had; results/reproduction.md follows from
the table (`--page` writes it alone). A study of a data set that is not shipped needs its files where its study file names them.
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
TABLE = ROOT / "results" / "reproduction.csv"
PAGE = TABLE.with_suffix(".md")


def again(folder: Path, *, runs: int) -> dict[str, Any]:
    """One row of the table: the study, where its runs were trained first and again, and how many numbers agree how well."""
    command = [sys.executable, "-m", "harness.reproduce", str(folder), "--runs", str(runs), "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise SystemExit(f"{folder.name}: {done.stderr.strip().splitlines()[-1]}") from error
    verdicts = [each["verdict"] for each in found["numbers"]]
    environment, machine = load(folder).study.environment, record.machine()
    return {
        "study": folder.name,
        "trained at": environment.commit,
        "trained on": environment.cpu,
        "again at": commit(),
        "again on": machine["processor"],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "runs": found["runs"],
        "numbers": len(verdicts),
        **{verdict: verdicts.count(verdict) for verdict in agreement.VERDICTS},
    }


def replaced(table: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The table with `row` in place of the row of its study, by name of the study."""
    others = [each for each in table.to_dict("records") if each["study"] != row["study"]]
    return pd.DataFrame([*others, row]).sort_values("study", ignore_index=True)


def page(table: pd.DataFrame) -> str:
    """The page: one sentence, the table, what its words mean."""
    alike = "; ".join(
        f"{int(table[verdict].sum()):,} are {verdict}" for verdict in agreement.VERDICTS if table[verdict].any()
    )
    shown = table.assign(**{name: table[name].str[:12] for name in ("trained at", "again at")})
    return "\n".join(
        [
            "# Do the committed studies come again?",
            "",
            f"**Of {len(table)} studies {int(table['runs'].sum())} runs were trained again, and {int(table['numbers'].sum()):,} "
            f"numbers compared (scores, losses, rates): {alike}.**",
            "",
            shown.to_markdown(index=False),
            "",
            "Each study's runs are spread evenly over its table. *Identical* is to the last digit. Other processors round otherwise: *within rounding* "
            "is 1e-4 relative; *within seed spread* is no farther apart than two seeds of that configuration are in 19 of 20 pairs.",
            "",
            f"Made by `python -m benchmarks.campaigns.reproduction` (all columns: `{TABLE.name}`; `--page` writes this page alone).",
            "",
        ]
    )


def main() -> None:
    """Train, compare, write table and page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaigns.reproduction", description=__doc__)
    parser.add_argument("studies", nargs="*", metavar="NAME", help="folders of results/ (default: all studies)")
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="runs of each study (default 3)")
    parser.add_argument(
        "--page", action="store_true", help="train nothing: write the page as it follows from the table"
    )
    chosen = parser.parse_args()
    folders = [ROOT / "results" / name for name in chosen.studies] or sorted(
        path.parent for path in (ROOT / "results").glob("*/runs.csv") if path.parent.name != "quick"
    )
    for folder in [] if chosen.page else folders:
        table = pd.read_csv(TABLE) if TABLE.is_file() else pd.DataFrame()
        row = again(folder, runs=chosen.runs)
        print(row, flush=True)
        files.write(TABLE, replaced(table, row).to_csv(index=False).encode())
    files.write(PAGE, page(pd.read_csv(TABLE)).encode())
    print(PAGE)


if __name__ == "__main__":
    main()
