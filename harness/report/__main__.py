"""`python -m harness.report RESULTS…`: rebuild tables, figures and pages from the stored tables."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import command_line
from harness.version import __version__

EPILOG = """\
examples:
  python -m harness.report results/mine                rebuild tables, figures and page of one study
  python -m harness.report results/a results/b         of two, and a page across them in results/cross
  python -m harness.report results/a results/b --output results/pair --question "Does it carry over?"
  python -m harness.report --check results/*           do committed results follow from their own tables?

exit status: 0 done; 1 --check found something stale, or a file could not be written; 2 a folder cannot be read; 3 done,
but with --fail-if-undecided a verdict is missing.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.report",
        description="Rebuild tables, figures and pages from stored results, without TensorFlow or a database.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS", help="results folder of a study, or an archive of one"
    )
    options.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if tables or page do not follow from runs.csv",
    )
    options.add_argument("--pdf", action="store_true", help="write figures as PDF as well")
    options.add_argument(
        "--output",
        type=Path,
        default=Path("results/cross"),
        metavar="DIR",
        help="folder of the cross-study page, with several RESULTS (default: results/cross)",
    )
    options.add_argument(
        "--question",
        metavar="TEXT",
        help="what the cross-study page asks (default: whether the answer depends on model and task, or on the number of steps)",
    )
    verbosity = options.add_mutually_exclusive_group()
    verbosity.add_argument("--quiet", action="store_true", help="print errors only")
    verbosity.add_argument("--verbose", action="store_true", help="also print each study's table and verdicts")
    options.add_argument(
        "--fail-if-undecided",
        action="store_true",
        help="exit with status 3 unless every schedule of every study is better, worse or equivalent",
    )
    options.add_argument("--json", action="store_true", help="print a machine-readable summary of every study")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    chosen = command_line.parse(parser(), arguments)
    from harness.results import ResultsError

    try:
        if chosen.check:
            return _check(chosen.results)
        decided = _build(chosen)
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{error.filename or chosen.results[0]}: {(error.strerror or str(error)).lower()}",
            file=sys.stderr,
        )
        return 1
    return 0 if decided or not chosen.fail_if_undecided else command_line.EXIT_UNDECIDED


def _check(places: Sequence[Path]) -> int:
    from harness import report
    from harness.report import cross_study
    from harness.results import archive

    status = 0
    for place in places:
        with archive.opened(place) as folder:
            for name in cross_study.stale(folder) if cross_study.is_cross(folder) else report.stale(folder):
                print(f"{place / name}: does not follow from the stored tables", file=sys.stderr)
                status = 1
    return status


def _build(chosen: argparse.Namespace) -> bool:
    """Make the pages; return whether every study is decided."""
    from rich.console import Console

    from harness import report
    from harness.report import cross_study
    from harness.results import ResultsError, archive

    fault = command_line.folder_fault(chosen.output, option="--output") if len(chosen.results) > 1 else None
    if fault is not None:
        raise ResultsError(fault)
    console = Console(quiet=chosen.quiet or chosen.json, highlight=False)
    folders = [archive.unpacked(place) for place in chosen.results]
    summaries: list[dict[str, Any]] = []
    for folder in folders:
        page = report.build(folder, pdf=chosen.pdf)
        summaries.append(report.headline(folder))
        if chosen.verbose:
            console.print(report.terminal_table(folder))
            summary = summaries[-1]
            console.print(summary["sentence"], markup=False)
            for warning in summary["warnings"]:
                console.print(f"Warning: {warning}", markup=False)
        console.print(str(page), markup=False, soft_wrap=True)
    if len(chosen.results) > 1:
        page = cross_study.build(
            folders,
            output=chosen.output,
            pdf=chosen.pdf,
            question=chosen.question,
            command=_command(chosen),
        )
        console.print(str(page), markup=False, soft_wrap=True)
    if chosen.json:
        command_line.print_json(summaries, indent=2)
    return all(summary["decided"] for summary in summaries)


def _command(chosen: argparse.Namespace) -> str:
    """What makes a page across studies again."""
    asked = ["--question", chosen.question] if chosen.question else []
    words = [*map(str, chosen.results), "--output", str(chosen.output), *asked]
    return f"python -m harness.report {shlex.join(words)}"


if __name__ == "__main__":
    sys.exit(main())
