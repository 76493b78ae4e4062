"""Shell completion of the command lines, where the package argcomplete is installed and the shell asks for it."""

from __future__ import annotations

import argparse
import os


def offer(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and exit; return at once otherwise."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
