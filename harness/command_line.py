"""What the command lines share: kinds of values, and shell completion."""

from __future__ import annotations

import argparse
import os


def whole_number(text: str) -> int:
    """A whole number from 1; argparse.ArgumentTypeError says what was given instead."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"is {text!r}, but allowed is a whole number from 1")
    return value


def offer_completion(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and exit; return at once otherwise, or without the package argcomplete."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
