"""TensorFlow, imported when it is first used: so a part's declaration can stand in the file of what it declares.

The driver reads declarations and never loads TensorFlow (half a gigabyte, several seconds); a worker uses what they build.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class _Lazy:
    """A module that is imported at the first use of one of its names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self._name), name)
        setattr(self, name, value)  # found at once from now on
        return value


if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = _Lazy("tensorflow")

__all__ = ["tf"]
