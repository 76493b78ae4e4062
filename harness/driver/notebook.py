"""The output of a notebook's cell that is shown anew in place, without widgets."""

from __future__ import annotations

import io
import time
from typing import Any

from rich.console import Console, RenderableType

SECONDS = 1.0  # between two updates: each is a message to whoever has the notebook open
_COLUMNS = 110
_FORM = '<pre style="line-height:1.25;overflow-x:auto;margin:0">{code}</pre>'


class Output:
    """What a cell shows while it runs; what was shown last stays."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last: RenderableType = ""
        self._shown = 0.0

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._show()

    def update(self, renderable: RenderableType) -> None:
        """Show this instead, unless something was shown less than SECONDS ago."""
        self._last = renderable
        if self._handle is None or time.monotonic() - self._shown >= SECONDS:
            self._show()

    def _show(self) -> None:
        from IPython.display import display

        content = forms(self._last)
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
        self._shown = time.monotonic()


def forms(renderable: RenderableType) -> dict[str, str]:
    """What rich shows as plain text and as HTML, by MIME type; everything is escaped."""
    console = Console(file=io.StringIO(), record=True, width=_COLUMNS, force_jupyter=False, force_terminal=False)
    console.print(renderable)
    text = console.export_text(clear=False)
    return {"text/plain": text, "text/html": console.export_html(inline_styles=True, code_format=_FORM)}
