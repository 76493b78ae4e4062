"""Check networks of your own before a study: `python -m harness.check_network FILE` executes the file and looks.

Every check is one line: what was looked at, and what was found. All that is wrong is named, not only the first.
"""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import command_line
from harness.version import __version__

EXIT_FAULTS = 2

EPILOG = """\
This executes FILE with your rights: check only files that you have read.

examples:
  python -m harness.check_network mine.py                                  networks of a GAN for 8x8 images
  python -m harness.check_network mine.py --shape 32x32x3 --options '{"width": 32}'
  python -m harness.check_network mine.py --make MyKind --model own        a kind of model of your own

exit status: 0 the networks can be used in a study; 2 they cannot, or FILE cannot be read.
"""


def _shape(text: str) -> tuple[int, int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)x([13])", text)
    if found is None or int(found[1]) < 1 or found[1] != found[2]:
        raise argparse.ArgumentTypeError(f"is {text!r}, but allowed is such as 8x8x1 or 32x32x3")
    return int(found[1]), int(found[2]), int(found[3])


def _options(text: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise argparse.ArgumentTypeError(f"is {text!r}, but allowed is a JSON object such as '{{\"width\": 32}}'")
    return values


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.check_network",
        description="Check networks of your own before a study trains them. Executes FILE.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("file", type=Path, metavar="FILE", help="Python file with the networks")
    options.add_argument(
        "--make", default="build", metavar="NAME", help="function, class or part in it (default: build)"
    )
    options.add_argument(
        "--shape", type=_shape, default=(8, 8, 1), metavar="HxWxC", help="shape of the images (default: 8x8x1)"
    )
    options.add_argument(
        "--latent", type=command_line.whole_number, metavar="N", help="as network.latent (default: 64)"
    )
    options.add_argument("--options", type=_options, default={}, metavar="JSON", help="as network.options")
    options.add_argument("--model", default="gan", metavar="NAME", help="kind of model, or own (default: gan)")
    options.add_argument(
        "--batch", type=command_line.whole_number, default=64, metavar="N", help="batch size (default: 64)"
    )
    options.add_argument(
        "--threads", type=command_line.whole_number, default=1, metavar="N", help="as train.threads (default: 1)"
    )
    options.add_argument("--json", action="store_true", help="print the checks as JSON")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = command_line.parse(parser(), arguments)
    from harness.executors import resources
    from harness.metrics import native_output
    from harness.models import network_checks
    from harness.worker import device

    request = network_checks.Request(
        path=options.file,
        make=options.make,
        shape=options.shape,
        latent=options.latent,
        options=options.options,
        model=options.model,
        batch=options.batch,
    )
    with native_output.silenced():
        device.configure(threads=options.threads, gpu=0 if resources.gpus() else None)
        checks = network_checks.run(request)
    if options.json:
        command_line.print_json(command_line.versioned({"checks": [vars(check) for check in checks]}), indent=1)
    else:
        for check in checks:
            print(f"{'ok   ' if check.good else 'FAULT'} {check.name}: {check.found}")
    return 0 if all(check.good for check in checks) else EXIT_FAULTS


if __name__ == "__main__":
    sys.exit(main())
