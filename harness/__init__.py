"""Compare learning-rate schedules for image generators, with evidence."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from harness.version import __version__

if TYPE_CHECKING:
    from harness.driver.actions import StudyFailed as StudyFailed
    from harness.elsewhere import compare as compare
    from harness.metrics.in_python import score as score
    from harness.report.in_python import Results as Results
    from harness.report.in_python import load_results as load_results
    from harness.spec import StudyError as StudyError
    from harness.study import Study as Study

__all__ = ["Results", "Study", "StudyError", "StudyFailed", "__version__", "compare", "load_results", "score"]

# public name -> its module
_LAZY = {
    "load_results": "harness.report.in_python",
    "Results": "harness.report.in_python",
    "compare": "harness.elsewhere",
    "score": "harness.metrics.in_python",
    "Study": "harness.study",
    "StudyError": "harness.spec",
    "StudyFailed": "harness.driver.actions",
}


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for: `import harness` alone loads no pandas and no TensorFlow."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
