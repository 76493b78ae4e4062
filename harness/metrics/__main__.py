"""`python -m harness.metrics GENERATED REAL`: score two sets of images, or statistics of them, as a study does."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import command_line, kinds
from harness.metrics import extractor, metric, requests, scoring, statistics_files
from harness.metrics.own.network import SCALINGS
from harness.version import __version__

EPILOG = """\
examples:
  python -m harness.metrics generated/ real/                     published FID and KID of two folders of images
  python -m harness.metrics generated.npz real.npz --json        of arrays, or of statistics with mu and sigma

Which files of a folder are images stands in docs/protocol.md; how many were read and skipped is printed.

exit status: 0 done; 2 an input cannot be scored; 130 stopped by Ctrl-C.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.metrics",
        description="Score two sets of images, or statistics of them, with the same code as a study.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = "folder of images, .npy or .npz of uint8 (n, h, w, c), or .npz with mu and sigma"
    options.add_argument("generated", type=Path, metavar="GENERATED", help=kinds)
    options.add_argument("real", type=Path, metavar="REAL", help=kinds)
    network = options.add_argument(
        "--features",
        metavar="NAME|FILE",
        help=f"feature network: {', '.join(extractor.declared())}, or a file: {_endings()} "
        "(default inception, for FID and KID as published)",
    )
    network.completer = lambda **_: list(extractor.declared())  # type: ignore[attr-defined]  # else a shell offers files
    options.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="weights of the feature network: .pth or .npz, of Inception also .pb",
    )
    options.add_argument("--layer", metavar="NAME", help="layer (.keras) or output (.onnx) that gives the features")
    options.add_argument(
        "--scaling", choices=tuple(SCALINGS), help="range in which a .keras or .onnx file takes pixels"
    )
    options.add_argument(
        "--subset-size",
        type=int,
        metavar="N",
        help=f"images per subset of kid_subsets, KID as published (default {requests.SUBSET_SIZE})",
    )
    options.add_argument("--interval", action="store_true", help="standard error of FID by jackknife (slow)")
    options.add_argument("--infinity", action="store_true", help="FID extrapolated to endless images (slow)")
    options.add_argument(
        "--held-out",
        type=Path,
        metavar="REAL",
        help="other real images, scored against REAL as the floor of each score",
    )
    options.add_argument(
        "--sanity",
        action="store_true",
        help="also damage REAL in known ways (blur, noise, grey, …), and say which damages FID and KID do not see",
    )
    options.add_argument(
        "--metric",
        action="append",
        default=[],
        dest="metrics",
        metavar="NAME",
        help=f"also this metric: one of {', '.join(metric.extras())}; may be given several times",
    )
    options.add_argument(
        "--save-statistics", type=Path, metavar="FILE.npz", help="write mu and sigma of GENERATED to this file"
    )
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("--quiet", action="store_true", help="print no progress")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def _endings() -> str:
    return ", ".join(f".{name}" for name in kinds.parts("features_file"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with a sentence for each thing for which an input cannot be scored."""
    chosen = vars(command_line.parse(parser(), arguments))
    as_json, quiet = chosen.pop("json"), chosen.pop("quiet")
    try:
        report = scoring.score(
            requests.Request(**chosen),
            say=lambda line: None if quiet else print(line, file=sys.stderr),
            progress=lambda *done: None if quiet else scoring.progress_line(*done),
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        return 130
    _show(report, as_json=as_json)
    target = chosen["save_statistics"]
    if target is not None:
        try:
            statistics_files.write(target, report.moments)
        except OSError as error:
            print(f"--save-statistics is {target}, which cannot be written ({error.strerror})", file=sys.stderr)
            return 2
    return 0


def _show(report: scoring.Report, *, as_json: bool) -> None:
    if as_json:
        values = {name: getattr(report, name) for name in ("scores", "protocol", "inputs", "warnings")}
        values |= {"floor": report.floor} if report.floor is not None else {}
        values |= {"sanity": report.sanity} if report.sanity is not None else {}
        command_line.print_json(command_line.versioned(values), indent=1)
        return
    for line in report.lines():
        print(line)
    for line in report.warnings:
        print(f"warning: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
