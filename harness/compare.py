"""Runs trained elsewhere: `python -m harness.compare TABLE` judges them as a study's runs are; `harness.compare(…)` in Python."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import command_line
from harness.version import __version__

if TYPE_CHECKING:
    from harness.elsewhere import Comparison
    from harness.elsewhere.question import Condition

EXIT_BAD_INPUT = 2

EPILOG = """\
examples:
  python -m harness.compare runs.csv --factor schedule --pair seed --score fid --baseline constant
  python -m harness.compare runs.csv --factor optimizer --pair seed --score val_loss --lower-is-better --baseline adam \\
      --where 'dataset=cifar10' --same images --output adam_or_not
  python -m harness.compare mine.zip --factor schedule --pair repetition --score fid_digits_5k --baseline constant \\
      --where phase=confirm --where chosen=True              of a study's results, a folder or an archive
  python -m harness.compare runs.csv --factor schedule --replicate tuning --pair seed --score fid --baseline constant
  python -m harness.compare history.csv --factor schedule --pair seed --score fid --step _step --baseline constant

Runs whose State, state or status says that they failed, crashed, were pruned or killed count as the worst of their level.
exit status: 0 judged; 2 the table cannot be judged as asked (nothing was written); 1 a file could not be written;
3 with --fail-if-undecided, a level is neither better, worse nor equivalent.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.compare",
        description="Judge runs trained elsewhere, from a table with one row per run, as a study's runs are judged.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument(
        "table", type=Path, metavar="TABLE", help="CSV or Parquet file with one row per run, or a study's results"
    )
    options.add_argument("--factor", required=True, metavar="COLUMN", help="what is compared, such as schedule")
    options.add_argument(
        "--pair",
        required=True,
        action="append",
        metavar="COLUMN",
        help="what runs to compare have in common, such as seed (again for more columns)",
    )
    options.add_argument(
        "--replicate",
        metavar="COLUMN",
        help="which tuning a run is of, where the whole tuning was repeated: verdicts are about tunings then, each the mean over its pairs",
    )
    options.add_argument("--score", required=True, metavar="COLUMN", help="the score, such as fid")
    options.add_argument(
        "--baseline", required=True, metavar="LEVEL", help="the level of the factor that others are compared with"
    )
    way = options.add_mutually_exclusive_group()
    for direction in ("lower", "higher"):
        way.add_argument(
            f"--{direction}-is-better",
            dest="direction",
            action="store_const",
            const=direction,
            help=f"{direction} scores are better (default: as the metric of ours whose name the score has)",
        )
    options.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only rows with this value; COLUMN!=VALUE: only others; again for more columns, or more values of one",
    )
    options.add_argument(
        "--same",
        action="append",
        default=[],
        metavar="COLUMN",
        help="refuse a table in which this column differs between runs, such as the number of images (again for more)",
    )
    options.add_argument(
        "--step", metavar="COLUMN", help="column of steps, where a run has several rows; the last step is judged"
    )
    options.add_argument(
        "--status",
        metavar="COLUMN",
        help="column that says how runs ended (default: State, state or status where there is one; '' for none)",
    )
    options.add_argument(
        "--rope",
        type=float,
        default=0.0,
        metavar="R",
        help="differences within ±R, in units of the score (per cent with --scale relative), count as equivalent",
    )
    options.add_argument(
        "--alpha", type=float, default=0.05, metavar="A", help="family-wise error rate of the verdicts (default 0.05)"
    )
    options.add_argument(
        "--scale",
        choices=("absolute", "relative"),
        default="absolute",
        help="judge differences of scores (default), or their ratios",
    )
    options.add_argument("--title", default="", metavar="TEXT", help="title of the page")
    options.add_argument("--output", type=Path, metavar="DIR", help="write page, tables, LaTeX and figures into DIR")
    options.add_argument("--pdf", action="store_true", help="with --output: write figures as PDF as well")
    options.add_argument("--quiet", action="store_true", help="print errors and the small table only")
    options.add_argument("--json", action="store_true", help="print a machine-readable summary")
    options.add_argument(
        "--fail-if-undecided",
        action="store_true",
        help="exit with 3 if a level is neither better, worse nor equivalent",
    )
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    chosen = command_line.parse(parser(), arguments)
    from harness.elsewhere import Question, TableError
    from harness.elsewhere.comparison import judge

    try:
        if chosen.output is None and chosen.pdf:
            raise TableError("--pdf writes nothing without --output; give a folder")
        if chosen.output is not None and (fault := command_line.folder_fault(chosen.output, option="--output")):
            raise TableError(fault)
        question = Question(
            factor=chosen.factor,
            pair=tuple(chosen.pair),
            score=chosen.score,
            baseline=chosen.baseline,
            direction=chosen.direction,
            replicate=chosen.replicate,
            step=chosen.step,
            status=chosen.status,
            where=_conditions(chosen.where),
            same=tuple(chosen.same),
            rope=chosen.rope,
            alpha=chosen.alpha,
            scale=chosen.scale,
            title=chosen.title,
            dashes="--",
        )
        found = judge(chosen.table, question)
    except TableError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        page = None if chosen.output is None else found.write(chosen.output, pdf=chosen.pdf)
    except OSError as error:
        print(f"{error.filename or chosen.output}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    _show(found, page, as_json=chosen.json, quiet=chosen.quiet)
    return command_line.EXIT_UNDECIDED if chosen.fail_if_undecided and not found.decided else 0


def _conditions(given: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions of the options --where; values of one column add up."""
    from harness.elsewhere import TableError
    from harness.elsewhere.question import Condition

    values: dict[tuple[str, bool], list[str]] = {}
    for words in given:
        column, sign, value = words.partition("=")
        if not sign or not column.strip("! "):
            raise TableError(f"--where is {words!r}, but allowed is COLUMN=VALUE or COLUMN!=VALUE")
        values.setdefault((column.removesuffix("!").strip(), not column.endswith("!")), []).append(value.strip())
    return tuple(Condition(column, tuple(found), equal) for (column, equal), found in values.items())


def _show(found: Comparison, page: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Print the verdicts as the end of a study does, or as JSON."""
    if as_json:
        command_line.print_json({**found.to_dict(), **({"page": str(page)} if page else {})}, indent=2)
        return
    from rich.console import Console

    console = Console()
    console.print(found.table())
    lines = [found.sentence, *(f"warning: {warning}" for warning in found.warnings)]
    for line in [*([] if quiet else lines), *([f"Report: {page}"] if page is not None else [])]:
        console.print(line, highlight=False, markup=False)


class _Callable(ModuleType):
    """This module once it is imported, for then `harness.compare` means it: to be called as the function of that name."""

    def __call__(self, *arguments: Any, **named: Any) -> Comparison:
        from harness.elsewhere import compare

        return compare(*arguments, **named)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    sys.exit(main())
