"""Train what is missing, write tables, page and picture: `python -m benchmarks.replication`."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.replication import page, studies
from harness.report.figures import style

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "results" / "replication"
TABLES = ("scores", "studies")
COMMAND = "python -m benchmarks.replication"


def load(folder: Path) -> dict[str, pd.DataFrame]:
    """The committed tables."""
    return {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}


def write(folder: Path, scores: pd.DataFrame) -> None:
    """All tables, the page and the picture, from all runs' scores."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"scores": scores, "studies": studies.verdicts(scores)}
    for name, frame in made.items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    read = load(folder)
    (folder / "README.md").write_text(page.page(read, COMMAND), encoding="utf-8")
    (folder / f"{page.PICTURE}.png").write_bytes(style.rendered(page.picture(read["studies"]), "png"))


def main() -> None:
    """Train, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "replication", help="where studies are trained")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-training", action="store_true", help="collect what is there")
    parser.add_argument("--output", type=Path, default=FOLDER)
    given = parser.parse_args()
    if not given.no_training:
        studies.train(given.folder, given.workers)
    write(given.output, studies.collect(given.folder))
    print(given.output / "README.md")


if __name__ == "__main__":
    main()
