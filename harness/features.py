"""`python -m harness.features train FOLDER --output mine.npz`: a feature network of your own images, as one small file."""

# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions
from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from harness import command_line, files, kinds
from harness.metrics.own import making
from harness.metrics.own.network import FeaturesFilePart
from harness.version import __version__

EPILOG = """\
examples:
  python -m harness.features train photos/ --output mine.npz     classes are the folders in photos/, if there are any
  python -m harness.features train train/ --held-out test/ --output mine.npz --mirror

Then evaluate.features = "mine.npz" in a study file beside it, or --features mine.npz of python -m harness.metrics.

exit status: 0 done; 2 the images or options cannot be used; 130 stopped by Ctrl-C.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m harness.features",
        description="Train a compact feature network on a folder of images: to tell classes, or, without, turned images.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("action", choices=("train",), help="what to do")
    options.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of images, one folder in it per class, or a data set's name"
    )
    options.add_argument("--output", type=Path, required=True, metavar="FILE.npz", help="file to write; names scores")
    options.add_argument(
        "--held-out", type=Path, metavar="FOLDER", help="images that are not trained on (default: a fifth of FOLDER's)"
    )
    options.add_argument(
        "--size", type=int, metavar="PIXELS", help="side that images are scaled to (default: theirs, at most 64)"
    )
    options.add_argument(
        "--width", type=int, default=making.WIDTH, help=f"channels of the first layer (default {making.WIDTH})"
    )
    options.add_argument(
        "--epochs", type=command_line.whole_number, help="passes over the images (default: about 4,000 updates)"
    )
    options.add_argument(
        "--seed", type=int, default=1, help="of weights and order; the same gives the same file (default 1)"
    )
    options.add_argument("--mirror", action="store_true", help="images mirrored left to right are as good: photographs")
    options.add_argument("--name", help="what the images are, for messages (default: the folder's name)")
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("--quiet", action="store_true", help="print no progress")
    options.add_argument("--version", action="version", version=f"harness {__version__}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with a sentence for images or options that cannot be used."""
    options = command_line.parse(parser(), arguments)
    names = ("folder", "held_out", "size", "width", "epochs", "seed", "mirror", "name")
    request = making.Request(**{name: getattr(options, name) for name in names})
    fault = _output_fault(options.output)
    if fault is None and request.seed < 0:
        fault = f"--seed is {request.seed}, but allowed is a whole number from 0"
    if fault is not None:
        print(fault, file=sys.stderr)
        return 2
    say: Callable[[str], None] = (lambda line: None) if options.quiet else _say
    try:
        made = making.make(request, say=say, progress=_Progress(options.quiet))
        files.write(options.output, made.content)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        return 130
    _show(made, options.output, as_json=options.json)
    return 0


def _output_fault(path: Path) -> str | None:
    """Why a file cannot be written, or could not be used, in one sentence; None if it can."""
    if path.suffix != ".npz":
        return f"--output is {path}, but allowed is a file that ends in .npz"
    if path.exists():
        return f"--output is {path}, which exists, and studies may rest on it; choose another name"
    if path.stem in kinds.known("features"):
        return f"--output is {path}, but scores would bear the name '{path.stem}', which another network has; choose another"
    if FeaturesFilePart.name_fault(path.stem) is not None:
        return f"--output is {path}, {FeaturesFilePart.name_fault(path.stem)}"
    return command_line.folder_fault(path.parent, option="--output")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


class _Progress:
    """A line on a terminal that tells how far training is; a line per tenth elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._begun, self._shown = quiet, time.monotonic(), 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int, loss: float) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        if self._terminal and (now - self._shown < 0.2 and done < total):
            return
        if not self._terminal and done * 10 // total == (done - 1) * 10 // total:
            return
        self._shown = now
        left = (now - self._begun) / done * (total - done)
        line = f"update {done:,} of {total:,}, loss {loss:.3f}, {left:.0f} s left"
        end = "" if self._terminal and done < total else os.linesep
        print(f"\r{line:<60}" if self._terminal else line, end=end, file=sys.stderr, flush=True)


def _show(made: making.Made, path: Path, *, as_json: bool) -> None:
    about = made.about
    if as_json:
        values = asdict(about) | {"chance": about.chance, "sha256": made.sha256, "bytes": len(made.content)}
        values |= {"file": str(path), "warnings": made.cautions}
        command_line.print_json(command_line.versioned(values), indent=1)
        return
    task = f"{len(about.classes)} classes" if about.classes else "the four turns"
    print(f"{path}: {about.architecture.dimensions} features, {len(made.content) / 1000:.0f} kB, SHA-256 {made.sha256}")
    print(
        f"trained on {about.train:,} images ({about.name}), {about.epochs} epoch{'s' * (about.epochs > 1)}, seed {about.seed}"
    )
    print(
        f"tells {task} of {about.held_out:,} held-out images with accuracy {about.accuracy:.1%} (chance {about.chance:.1%})"
    )
    for row in about.sanity:
        seen = "seen" if row["seen"] else "NOT SEEN"
        print(f"  {row['damage']:24}{row['value']:<14.6g}undamaged {row['floor']:<14.6g}{seen}")
    for line in made.cautions:
        print(f"warning: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
