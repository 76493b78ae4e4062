"""`python -m harness`, or `harness` where it is installed: what there is, and the same commands by short names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from harness.version import __version__

# name -> (module with `main`, what it does)
COMMANDS = {
    "run": ("harness.run_study", "run, resume and report a study; without a study file the built-in one, 'quick'"),
    "report": ("harness.report.__main__", "make tables, figures and pages of results again; compare studies"),
    "compare": ("harness.compare", "judge runs trained elsewhere: verdicts, page and LaTeX from a table of them"),
    "reproduce": ("harness.reproduce", "train stored runs again and grade every number"),
    "archive": ("harness.archive", "one zip file that holds a study's results, for others to report and reproduce"),
    "features": ("harness.features", "train a feature network on a folder of images, for scores of images like them"),
    "doctor": (
        "harness.doctor.__main__",
        "say what this machine is, test that it trains as it should, and what to set",
    ),
    "score": ("harness.metrics.__main__", "FID, KID and other scores of two sets of images, outside a study"),
}


def usage() -> str:
    """What there is, one line per command."""
    lines = [
        f"harness {__version__}: compare learning-rate schedules for image generators, with evidence.",
        "",
        "usage: harness COMMAND [OPTIONS]        (or: python -m harness COMMAND [OPTIONS])",
        "",
    ]
    for name, (module, line) in COMMANDS.items():
        lines += [f"  {name:<10} {line}", f"  {'':<10} also: python -m {module.removesuffix('.__main__')}"]
    lines += [
        "",
        "Each has --help. To begin: `harness run --list` names studies and what a study file may ask for; `harness run`",
        "trains the quick study and writes results/quick/report.html.",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that is named; without one print what there is. Return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if words[0] == "--version":
        print(f"harness {__version__}")
        return 0
    if words[0] not in COMMANDS:
        print(f"harness: COMMAND is {words[0]!r}, but allowed is one of: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(COMMANDS[words[0]][0]).main(words[1:]))


if __name__ == "__main__":
    sys.exit(main())
