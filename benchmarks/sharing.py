"""What training common first steps once saves on the committed studies: `python -m benchmarks.sharing`.

Trains nothing: the runs in results/*/runs.csv, in the plan's order, each with the earlier one that agrees with it longest
(harness.plan.prefixes). Rules have no tables and share nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import record
from harness.driver.reproduction import redesign
from harness.plan.design import PHASES, Design
from harness.plan.prefixes import Beginning, Prefixes
from harness.results import load
from harness.spec import load as load_spec

RESULTS = Path(__file__).resolve().parents[1] / "results"


def saved(folder: Path) -> dict[str, Any]:
    """Of a results folder: its runs' steps, how many of them are those of earlier runs, by phase and in all, and seconds."""
    spec, results = load_spec(folder / "study.toml"), load(folder)
    rows = sorted(results.runs.to_dict("records"), key=lambda row: (PHASES.index(row["phase"]), row["repetition"]))
    designs = [redesign(spec, row, source=folder) for row in rows]
    found = Prefixes(spec).beginnings(designs)
    seconds = {row["run"]: row["seconds"] for row in rows}
    shared = {
        phase: sum(found[each.run].steps for each in designs if each.phase == phase and each.run in found)
        for phase in PHASES
    }
    runs = {phase: sum(each.phase == phase for each in designs) for phase in PHASES}
    hours = (
        sum(
            seconds[each.run] * found[each.run].steps / spec.steps(each.schedule)
            for each in designs
            if each.run in found
        )
        / 3600
    )
    return {
        "study": folder.name,
        "runs": len(designs),
        "steps": sum(spec.steps(each.schedule) for each in designs),
        "shared_steps": sum(shared.values()),
        "share": sum(shared.values()) / (sum(spec.steps(each.schedule) for each in designs)),
        "by_schedule": _search_shares(designs, found, spec.train.steps),
        "by_phase": {phase: shared[phase] / (count * spec.train.steps) for phase, count in runs.items() if count},
        "hours": sum(seconds.values()) / 3600,
        "hours_saved": hours,
    }


def _search_shares(designs: list[Design], found: dict[str, Beginning], steps: int) -> dict[str, float]:
    """Of the schedules whose search runs begin as others do: the share of these runs' steps."""
    searched = [each for each in designs if each.phase == "search"]
    shares = {}
    for label in dict.fromkeys(each.schedule for each in searched):
        of_schedule = [found[each.run].steps if each.run in found else 0 for each in searched if each.schedule == label]
        shares[label] = sum(of_schedule) / (len(of_schedule) * steps)
    return {label: share for label, share in shares.items() if share}


def _named(row: dict[str, Any]) -> dict[str, float]:
    """The shares of a study by what they are of."""
    of_schedules = {f"search runs of {label}": share for label, share in row["by_schedule"].items()}
    return {"all runs": row["share"], **of_schedules}


def main() -> None:
    """Print a table and write benchmarks/out/sharing.json."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = [saved(path.parent) for path in sorted(RESULTS.glob("*/runs.csv"))]
    print(
        "| study | runs | steps | trained once for several | of a phase, of a schedule's search runs | worker-hours | saved |\n|---|--:|--:|--:|---|--:|--:|"
    )
    for row in rows:
        parts = [
            f"{name} {100 * share:.0f} %" for name, share in (row["by_phase"] | row["by_schedule"]).items() if share
        ]
        print(
            f"| {row['study']} | {row['runs']} | {row['steps']:,} | {row['shared_steps']:,} ({100 * row['share']:.1f} %) | {', '.join(parts) or '–'} "
            f"| {row['hours']:.2f} | {row['hours_saved']:.2f} |"
        )
    figures = [
        record.figure(f"steps trained once for several runs: {row['study']}, {name}", round(100 * share, 1), "%")
        for row in rows
        for name, share in _named(row).items()
        if share
    ]
    record.save("sharing", figures, rows)


if __name__ == "__main__":
    main()
