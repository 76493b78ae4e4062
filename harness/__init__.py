"""Compare learning-rate schedules for image generators, with evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.results import Results as Results
    from harness.results import load as load_results

__version__ = "0.1.0"
__all__ = ["Results", "__version__", "load_results"]

_LAZY = {"load_results": "load", "Results": "Results"}  # public name -> its name in harness.results


def __getattr__(name: str) -> Any:
    """The readers of results, imported when first asked for: `import harness` alone loads no pandas."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harness import results

    return getattr(results, _LAZY[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
