"""Sample grids of one repetition, side by side: the same position in each shows the same latent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.report import numbers
from harness.report.analysis import Analysis


@dataclass(frozen=True)
class Grid:
    """An image of samples, its title, and its address relative to the results folder."""

    title: str
    path: Path
    link: str

    @property
    def alt(self) -> str:
        """What the picture is."""
        return f"Sample grid, {self.title}"


def grids(analysis: Analysis, folder: Path) -> list[Grid]:
    """Real images, then the samples of each schedule from the first replicate and seed that most schedules finished.

    Raw weights or averaged ones, as the question asks.
    """
    suffix = "-ema" if analysis.primary.weights == "ema" else ""
    done = analysis.confirmed[analysis.confirmed["status"] == "finished"]
    if done.empty:
        return []
    common = done.groupby(["replicate", "repetition"])["schedule"].nunique()
    replicate, repetition = common[common == common.max()].index.min()
    shown = done[(done["replicate"] == replicate) & (done["repetition"] == repetition)]
    titles = {"real": "real images"}
    for row in shown.to_dict("records"):
        titles[f"{row['run']}{suffix}"] = f"{row['schedule']}: {analysis.title} {_digits(analysis, row)}"
    paths = {name: folder / "samples" / f"{name}.png" for name in titles}
    return [
        Grid(titles[name], path, f"samples/{quote(path.name)}")
        for name, path in paths.items()
        if path.parent == folder / "samples" and path.is_file()
    ]


def _digits(analysis: Analysis, row: Mapping[Hashable, Any]) -> str:
    return numbers.aligned([row[analysis.score]], spread=analysis.spread_of(analysis.score))[0]
