"""Import matplotlib even where its user's settings cannot be read: our figures use its built-in defaults anyway."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path


def load() -> None:
    """Import matplotlib; if an unknown MPLBACKEND or a damaged matplotlibrc makes that fail, import it without them.

    The environment and the current folder are as before afterwards. Settings that can be read are left to the user's own
    figures; ours are drawn in `style.context`.
    """
    try:
        importlib.import_module("matplotlib")
    except (ValueError, OSError):  # a UnicodeDecodeError is a ValueError
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # the failed attempt leaves half-imported modules behind
        here, environment = Path.cwd(), dict(os.environ)
        os.environ.pop("MPLBACKEND", None)
        os.environ["MATPLOTLIBRC"] = os.devnull
        os.chdir(Path(__file__).parent)  # a matplotlibrc of the current folder comes before all others
        try:
            importlib.import_module("matplotlib")
        finally:
            os.chdir(here)
            os.environ.pop("MATPLOTLIBRC")
            os.environ.update(environment)
