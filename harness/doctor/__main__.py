"""The doctor: `python -m harness.doctor` says what this machine is, tests it in about two minutes, and says what to set."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import command_line
from harness.version import __version__

if TYPE_CHECKING:
    from harness.doctor.advice import Advice
    from harness.doctor.findings import Findings

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2

EPILOG = """\
examples:
  python -m harness.doctor                  about two minutes: facts, every built-in network on every device, speed
  python -m harness.doctor --quick          about twenty seconds
  python -m harness.doctor --no-test        facts alone
  python -m harness.doctor --save results   writes results/doctor.txt and results/doctor.json besides

exit status: 0 every check passed; 1 a check failed (its line comes first); 2 an option cannot be used.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.doctor",
        description="Say what this machine is, test that it trains as it should, and what to set. Put its output into a bug report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    much = options.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="test three networks, and time one")
    much.add_argument("--no-test", action="store_true", help="test nothing: say what is there")
    options.add_argument(
        "--networks", nargs="+", default=[], metavar="NAME", help="test these built-in networks (default: all)"
    )
    options.add_argument(
        "--save", type=Path, metavar="DIR", help="write doctor.txt and doctor.json into this folder as well"
    )
    options.add_argument("--json", action="store_true", help="print JSON; the text goes to standard error")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def document(findings: Findings, advices: Sequence[Advice]) -> dict[str, Any]:
    """What is written as JSON: the findings, and what to set."""
    return {**findings.to_json(), "advice": [dataclasses.asdict(each) for each in advices]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = command_line.parse(parser(), arguments)
    from harness import files, kinds
    from harness.doctor import advice, gpus, machine, page, selftest
    from harness.doctor.findings import Findings

    known = kinds.known("network")
    for name in options.networks:
        if name not in known:
            allowed = f"allowed are: {', '.join(known)}"
            print(f"--networks is {name!r}{kinds.nearest(name, known)}, but {allowed}", file=sys.stderr)
            return EXIT_BAD_INPUT
    if options.save is not None:
        fault = command_line.folder_fault(options.save, option="--save")
        if fault is not None:
            print(fault, file=sys.stderr)
            return EXIT_BAD_INPUT
    here = machine.look()
    if options.no_test:
        findings = Findings(here, checks=tuple(gpus.check(here)), unchecked=("everything: --no-test",))
    else:
        wanted = selftest.Options(quick=options.quick, networks=tuple(options.networks))
        findings = selftest.run(here, wanted, say=_say)
    advices = advice.advice(findings)
    text = page.text(findings, advices)
    print(text, file=sys.stderr if options.json else sys.stdout)
    made = document(findings, advices)
    if options.json:
        command_line.print_json(made, indent=1)
    if options.save is not None:
        files.write(options.save / "doctor.txt", f"{text}\n".encode())
        files.write(options.save / "doctor.json", f"{json.dumps(made, indent=1, ensure_ascii=False)}\n".encode())
    return EXIT_FAILED if findings.failed else 0


def _say(line: str) -> None:
    """What is under way, on one line of a terminal that each replaces the one before."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line[:90]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
