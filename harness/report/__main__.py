"""`python -m harness.report RESULTS…`: tables, figures and page again from the stored tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 if --check found something stale, 2 if a folder cannot be read."""
    options = argparse.ArgumentParser(prog="python -m harness.report", description=__doc__)
    options.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results folder of a study")
    options.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if tables or page do not follow from runs.csv",
    )
    options.add_argument("--pdf", action="store_true", help="figures as PDF too")
    options.add_argument(
        "--output",
        type=Path,
        default=Path("results/cross"),
        help="folder of the cross-study page, with several RESULTS",
    )
    options.add_argument("--quiet", action="store_true", help="print errors only")
    chosen = options.parse_args(arguments)
    from harness import report
    from harness.report import cross
    from harness.results import ResultsError

    status = 0
    try:
        for folder in chosen.results:
            if chosen.check:
                stale = report.stale(folder)
                status = 1 if stale else status
                for name in stale:
                    print(f"{folder / name}: does not follow from the stored tables", file=sys.stderr)
            else:
                made = report.build(folder, pdf=chosen.pdf)
                if not chosen.quiet:
                    print(made)
        if len(chosen.results) > 1 and not chosen.check:
            made = cross.build(chosen.results, output=chosen.output, pdf=chosen.pdf)
            if not chosen.quiet:
                print(made)
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{error.filename or chosen.results[0]}: {(error.strerror or str(error)).lower()}",
            file=sys.stderr,
        )
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
