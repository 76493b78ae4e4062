"""What the command lines share: kinds of values, shell completion, output that any terminal or log can show."""

from __future__ import annotations

import argparse
import codecs
import json
import os
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EXIT_UNDECIDED = 3  # with --fail-if-undecided: a verdict is neither better, worse nor equivalent
FORMAT = 1  # of what `--json` prints: another number where a key changes its meaning or goes

# What stands for a character of ours that an output cannot show. A sign must never be lost.
_PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "∞": "inf",
    "·": "*",
    "→": "->",
    "←": "<-",
    "↓": "(lower is better)",
    "↑": "(higher is better)",
    "✕": "x",
    "’": "'",
    "\u2068": "",  # isolates of names that run from right to left
    "\u2069": "",
}


def whole_number(text: str) -> int:
    """A whole number from 1; argparse.ArgumentTypeError says what was given instead."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"is {text!r}, but allowed is a whole number from 1")
    return value


def in_parameters(sentences: str, parameters: Mapping[str, str]) -> str:
    """Sentences of a command, whose options are named as the parameters that they are in Python, by option.

    An option that is part of a word, such as that of another command in `--storage=URL`, is left.

    >>> in_parameters("give --data-dir, or choose another --output-dir", {"--data-dir": "data_dir", "--output": "output"})
    'give data_dir, or choose another --output-dir'
    """
    options = "|".join(map(re.escape, sorted(parameters, reverse=True)))
    return re.sub(rf"(?<![\w./-])({options})(?![\w./=-])", lambda found: parameters[found[0]], sentences)


def folder_fault(path: Path, *, option: str) -> str | None:
    """Why `path`, which `option` names, cannot be a folder to write into, in one sentence; None if it can. Writes nothing."""
    if path.exists() and not path.is_dir():
        return f"{option} is {path}, which is a file; allowed is a folder"
    parent = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not parent.is_dir():
        return f"{option} is {path}, but {parent} is a file; allowed is a folder"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"{option} is {path}, but {parent} is not writable; choose a folder you can write to"
    return None


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command line; first makes output safe, and answers a shell that asks for completions."""
    make_output_safe()
    _offer_completion(parser)
    return parser.parse_args(arguments)


def versioned(values: Mapping[str, Any]) -> dict[str, Any]:
    """What `--json` prints, with the number of its format (docs/output.schema.json)."""
    return {"format": FORMAT, **values}


def print_json(value: Any, *, indent: int) -> None:
    """Print JSON; what the output cannot show is escaped as JSON does, so that it stays JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    print(text)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs`: like characters, then letters without their accents, then escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = []
    for character in error.object[error.start : error.end]:
        letter = unicodedata.normalize("NFKD", character)[0] if character.isalpha() else ""
        escape = character.encode("ascii", "backslashreplace").decode()
        found.append(_PLAIN.get(character, letter if letter.isascii() and letter else escape))
    return "".join(found), error.end


def make_output_safe() -> None:
    """A terminal or log that is not UTF-8 shows what it can: nothing printed ends a command."""
    codecs.register_error("harness.plainer", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="harness.plainer")


def _offer_completion(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and exit; return at once otherwise, or without the package argcomplete."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
