"""What `--list` prints: studies and every part that a study file may name, each with what may be set on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import data, schedules
from harness.driver import preflight
from harness.spec import SpecError, builtin, load


def print_list() -> None:
    """Print studies, data sets, networks, schedules and feature networks with a line each."""
    console = Console()
    for title, entries in (
        ("studies (STUDY.toml; none: the built-in one)", studies(Path("studies"))),
        ("data sets (data.name)", data.DATA_SETS),
        ("networks (network.name)", preflight.NETWORKS),
        ("schedules (kind)", {kind: schedules.shape_help(kind) for kind in schedules.SHAPES}),
        ("feature networks (evaluate.features)", preflight.FEATURES),
    ):
        console.print(_table(title, entries))


def _table(title: str, entries: Mapping[str, str]) -> Table:
    table = Table(box=None, title=title, title_justify="left", show_header=False, pad_edge=False)
    for name, line in entries.items():
        table.add_row(Text(f"  {name}"), Text(line))
    return table


def studies(folder: Path) -> dict[str, str]:
    """The built-in study and the study files in `folder`, each with its title; a faulty file with its first fault."""
    titles = {"built-in 'quick'": builtin().headline}
    for path in sorted(folder.glob("*.toml")):
        try:
            titles[str(path)] = load(path).headline
        except SpecError as error:
            titles[str(path)] = f"cannot be run: {str(error).splitlines()[0]}"
    return titles
