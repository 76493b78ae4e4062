"""Compare learning-rate schedules for image generators, with evidence."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.elsewhere import compare as compare
    from harness.metrics.in_python import score as score
    from harness.results import Results as Results
    from harness.results import load as load_results

__version__ = "0.1.0"
__all__ = ["Results", "__version__", "compare", "load_results", "score"]

# public name -> its module, and its name there
_LAZY = {
    "load_results": ("harness.results", "load"),
    "Results": ("harness.results", "Results"),
    "compare": ("harness.elsewhere", "compare"),
    "score": ("harness.metrics.in_python", "score"),
}


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for: `import harness` alone loads no pandas and no TensorFlow."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, found = _LAZY[name]
    return getattr(importlib.import_module(module), found)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
