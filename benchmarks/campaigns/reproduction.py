"""Whether the committed studies come again: `python -m benchmarks.campaigns.reproduction`.

Trains runs of every committed study again by `python -m harness.reproduce`, spread evenly over its runs. A study's rows, one per
precision, go to results/reproduction.csv as soon as its runs are trained, in place of those that it had; results/reproduction.md
follows from the table (`--page` writes it alone). A study of a data set that is not shipped needs its files where its study file names them.
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


def again(folder: Path, *, runs: int) -> list[dict[str, Any]]:
    """Rows of the table: the study, where its runs were trained first and again, how many numbers agree how well."""
    command = [sys.executable, "-m", "harness.reproduce", str(folder), "--runs", str(runs), "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise SystemExit(f"{folder.name}: {done.stderr.strip().splitlines()[-1]}") from error
    results, numbers = load(folder), pd.DataFrame(found["numbers"])
    environment, again_at, again_on = results.study.environment, commit(), record.machine()["processor"]
    precisions = results.runs.set_index("run")["schedule"].map(results.study.spec.precisions)
    return [
        {
            "study": folder.name,
            "precision": precision,
            "trained at": environment.commit,
            "trained on": environment.cpu,
            "again at": again_at,
            "again on": again_on,
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "runs": part["run"].nunique(),
            "numbers": len(part),
            **{verdict: int((part["verdict"] == verdict).sum()) for verdict in agreement.VERDICTS},
        }
        for precision, part in numbers.groupby(numbers["run"].map(precisions))
    ]


def replaced(table: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table with `rows` in place of the rows of their studies, by name of the study."""
    named = {row["study"] for row in rows}
    others = [row for row in table.to_dict("records") if row["study"] not in named]
    return pd.DataFrame([*others, *rows]).sort_values(["study", "precision"], ignore_index=True)


def page(table: pd.DataFrame) -> str:
    """The page: how much agreed, by precision and where it was trained, the table, what its words mean."""
    elsewhere = table["trained on"] != table["again on"]
    shown = table.assign(**{name: table[name].str[:12] for name in ("trained at", "again at")}).drop(columns="date")
    return "\n".join(
        [
            "# Do the committed studies come again?",
            "",
            f"**Of {table['study'].nunique()} studies {int(table['runs'].sum())} runs were trained again, and {int(table['numbers'].sum()):,} "
            "numbers compared (scores, losses, rates).**",
            "",
            *(
                f"- {precision}, on {'another kind' if other else 'the kind of processor that trained them'}: {_alike(part)}."
                for (precision, other), part in table.groupby(["precision", elsewhere])
            ),
            "",
            shown.to_markdown(index=False),
            "",
            "Each study's runs are spread evenly over its table. *Identical* is to the last digit. Other processors round otherwise: *within rounding* "
            "is 1e-4 relative; *within seed spread* is no farther apart than two seeds of that configuration are in 19 of 20 pairs. bfloat16 keeps 8 "
            "bits: rounded otherwise, a run ends as one of another seed does, so expect its numbers again on its kind of processor alone.",
            "",
            f"Made by `python -m benchmarks.campaigns.reproduction` (all columns: `{TABLE.name}`; `--page` writes this page alone).",
            "",
        ]
    )


def _alike(part: pd.DataFrame) -> str:
    """How many numbers of these rows agree how well."""
    counts = [f"{int(part[verdict].sum()):,} {verdict}" for verdict in agreement.VERDICTS if part[verdict].any()]
    return f"of {int(part['numbers'].sum()):,} numbers {', '.join(counts)}"


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
        rows = again(folder, runs=chosen.runs)
        print(*rows, sep="\n", flush=True)
        files.write(TABLE, replaced(table, rows).to_csv(index=False).encode())
    files.write(PAGE, page(pd.read_csv(TABLE)).encode())
    print(PAGE)


if __name__ == "__main__":
    main()
