"""What `--list` prints: studies, and every part that a study file may name, with what may be set on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import kinds
from harness.kinds import Part, Setting
from harness.spec import SpecError, builtin, load

# role -> heading, with the key of a study file that names such a part
ROLES = {
    "data": "data sets (data.name)",
    "model": "kinds of model (model.name)",
    "network": "networks (network.name)",
    "loss": "losses (train.loss)",
    "penalty": "penalties (train.penalties)",
    "augmentation": "augmentations (train.augment)",
    "optimizer": "optimizers (train.optimizer)",
    "schedule": "schedules (kind, in [schedules.LABEL])",
    "features": "feature networks (evaluate.features)",
    "features_file": 'feature networks of your own (evaluate.features = "FILE.ending")',
    "executor": "executors (--executor)",
    "metric": "metrics (evaluate.metrics; question.score names the one that decides)",
}


def print_list() -> None:
    """Print studies, then the parts of each role: a line per part, and below it a line per setting."""
    console = Console()
    console.print(
        _table(
            "studies (STUDY.toml; none: the built-in one)", studies(Path("studies"), Path("studies/published")).items()
        )
    )
    for role, heading in ROLES.items():
        rows = [row for part in kinds.parts(role).values() for row in _rows(part)]
        if rows:
            console.print(_table(heading, rows))


def _rows(part: Part) -> Iterator[tuple[str, str]]:
    """What it is, then what may be set on it."""
    yield part.name, part.help
    for setting in kinds.settings_of(part.settings):
        yield f"  {setting.name} = {_toml(setting)}", f"{setting.help}; {setting.allowed}"


def _toml(setting: Setting) -> str:
    """A default as a study file has it."""
    value = setting.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str([*value])
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _table(heading: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(
        box=None, title=Text(heading, style="table.title"), title_justify="left", show_header=False, pad_edge=False
    )
    for name, line in rows:
        table.add_row(Text(f"  {name}"), Text(line))
    return table


def studies(*folders: Path) -> dict[str, str]:
    """The built-in study and the study files in `folders`, each with its title; a faulty file with its first fault."""
    titles = {"built-in 'quick'": builtin().headline}
    for path in (path for folder in folders for path in sorted(folder.glob("*.toml"))):
        try:
            titles[str(path)] = load(path).headline
        except SpecError as error:
            titles[str(path)] = f"cannot be run: {str(error).splitlines()[0]}"
    return titles
