"""`python -m harness.archive RESULTS`: one zip file that holds a study's results, for others to report and reproduce."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import command_line
from harness.version import __version__

EPILOG = """\
examples:
  python -m harness.archive results/mine                     writes results/mine.zip and prints its SHA-256
  python -m harness.report results/mine.zip                  unpacks it beside itself and makes its pages again
  python -m harness.reproduce results/mine.zip --runs 3      trains runs of it again

The archive holds tables, study file, pictures, pages and code of your own, with the SHA-256 of every file; database and
checkpoints are left out. Data sets and feature networks are not in it. The same folder gives the same bytes.
exit status: 0 done; 1 the file could not be written; 2 the folder holds no results, or --output is another file.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.archive",
        description="Write one zip file that holds a study's results.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("results", type=Path, metavar="RESULTS", help="results folder of a study")
    options.add_argument(
        "--output", type=Path, metavar="FILE", help="the archive (default: RESULTS.zip, beside the folder)"
    )
    options.add_argument("--quiet", action="store_true", help="print errors only")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    chosen = command_line.parse(parser(), arguments)
    from harness.results import ResultsError, archive

    folder = chosen.results.resolve()
    target = chosen.output or folder.parent / f"{folder.name}{archive.SUFFIX}"
    if target.suffix.lower() != archive.SUFFIX:
        print(f"--output is {target}, but allowed is a name that ends in {archive.SUFFIX}", file=sys.stderr)
        return 2
    if target.is_dir() or folder in target.resolve().parents:
        print(f"--output is {target}, but allowed is a file outside the results folder", file=sys.stderr)
        return 2
    try:
        sha256 = archive.pack(chosen.results, target)
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or target}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    if not chosen.quiet:
        print(f"{target}  {target.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
