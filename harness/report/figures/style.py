"""One look for all figures, whatever a user's Matplotlib settings are: colours by schedule, sizes for a paper's column,
labels that fit, reproducible files."""

from __future__ import annotations

import io
import math
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager, ft2font, ticker
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.report.figures import tooltips

# Okabe & Ito's colours, which colour-blind readers can tell apart (black is left to text), then three for studies of many
# schedules, where the markers tell alike ones apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#8A5FBF", "#7F7F7F", "#B2182B")
COLUMN, PAGE = 3.5, 7.0  # inches: a paper's column and page
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "p", ">")
_POINTS, _DPI = 10.0, 72  # that text is measured with
_WINDOWS = frozenset({"backend", "interactive", "toolbar"})  # no figure of ours has one: the user's stay as they are
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "svg.hashsalt": "schedule-harness",
    "svg.fonttype": "path",
    "path.simplify": True,
    "text.parse_math": False,
    "savefig.facecolor": "white",
}


def colours(schedules: Sequence[str]) -> dict[str, str]:
    """The colour of each schedule, the same in every figure."""
    return {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(schedules)}


def markers(schedules: Sequence[str]) -> dict[str, str]:
    """The marker of each schedule."""
    return {label: MARKERS[(index + index // len(PALETTE)) % len(MARKERS)] for index, label in enumerate(schedules)}


def lines(schedules: Sequence[str]) -> dict[str, str]:
    """The line of each schedule: whole, and broken where the colours begin anew."""
    return {label: ("-", "--", ":", "-.")[index // len(PALETTE) % 4] for index, label in enumerate(schedules)}


@contextmanager
def context() -> Iterator[None]:
    """Our settings on top of Matplotlib's built-in defaults, for the time of a block only.

    All that makes or renders a figure happens within: a user's matplotlibrc, style or rcParams then change nothing.
    """
    with mpl.rc_context():
        with warnings.catch_warnings():  # of settings that this version of Matplotlib is about to drop
            warnings.simplefilter("ignore", mpl.MatplotlibDeprecationWarning)
            mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if key not in _WINDOWS})
        mpl.rcParams.update(_SETTINGS)
        yield


class Shown(Figure):
    """A figure that a notebook shows in our look, whether pyplot is there or not."""

    def _repr_png_(self) -> bytes:
        return rendered(self, "png")


def figure(
    width: float = COLUMN,
    height: float = 2.6,
    *,
    rows: int = 1,
    columns: int = 1,
    ratios: Sequence[float] | None = None,
    shared: bool = True,
) -> tuple[Figure, Any]:
    """A figure without a window, of inches, and its axes; rows share the horizontal axis unless told otherwise.

    Made within `context`.
    """
    figure = Shown(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, sharex=shared and rows > 1, height_ratios=ratios)
    return figure, axes


def spread(count: int, *, crowd: int) -> NDArray[np.float64]:
    """How far to the side each of `count` dots stands, so that those of a crowd do not all cover each other."""
    if count <= crowd:
        return np.zeros(count)
    return np.asarray(
        0.26 * (np.arange(count) * 0.6180339887 % 1 - 0.5), dtype=np.float64
    )  # golden ratio: even, and the same every time


def _columns(labels: Sequence[str]) -> int:
    return max(1, min(len(labels), 66 // (6 + max(map(len, labels)))))


def legend(figure: Figure, axes: Any) -> None:
    """A legend above the axes, so that it covers no data; the figure grows by its rows, and axes keep their height."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = _columns(labels)
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.165 * (math.ceil(len(labels) / columns) - 1))
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, borderpad=0)


def wrapped(text: str, inches: float, *, size: float = 8, lines: int = 3) -> str:
    """The text in lines of at most so many inches at a font size in points; cut with '…' after `lines` of them."""
    broken: list[str] = []
    rest = re.sub(r"[ \t\r\n]+", " ", text).strip()  # other spaces do not break
    while rest and len(broken) < lines:
        end = len(rest)
        while end > 1 and _inches(rest[:end].strip(), size) > inches:
            end = rest.rfind(" ", 0, end) if " " in rest[:end].strip() else end - 1
        broken.append(rest[:end].strip())
        rest = rest[end:].strip()
    if rest:
        last = broken[-1]
        while last and _inches(f"{last}…", size) > inches:
            last = last[:-1]
        broken[-1] = f"{last}…"
    return "\n".join(broken)


def _inches(text: str, size: float) -> float:
    """The width of a text in the figures' font."""
    font = _font()
    with warnings.catch_warnings():  # of characters that the font lacks
        warnings.simplefilter("ignore")
        font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / _DPI * size / _POINTS


def few_ticks(axes: Any) -> None:
    """At most five ticks on the horizontal axis, so that their labels do not meet."""
    axes.locator_params(axis="x", nbins=5, min_n_ticks=3)


def logarithmic(axes: Any) -> None:
    """A logarithmic horizontal axis whose labels are plain numbers and do not meet."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = math.log10(high / low) if 0 < low < high else 1.0
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 3 else (1.0,)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=12))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as 'png', 'svg' or 'pdf', the same bytes for the same data."""
    metadata: dict[str, Any] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    }[kind]
    buffer = io.BytesIO()
    with context():  # limits, ticks, layout and fonts are settled only now, some of them by looking at the figure
        names = tooltips.identify(figure) if kind == "svg" else {}
        figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
    return tooltips.titled(buffer.getvalue().decode(), names).encode() if names else buffer.getvalue()


def short(label: str, most: int = 22) -> str:
    """A label that fits beside an axis."""
    return label if len(label) <= most else label[: most - 1] + "…"


def names(schedules: Sequence[str], most: int = 22) -> dict[str, str]:
    """What figures call each schedule: its short label, or the key that stands for it (see `keys`)."""
    keyed = {label: key for key, label in keys(schedules).items()}
    return {label: keyed.get(label) or short(label, most) for label in schedules}


def keys(schedules: Sequence[str]) -> dict[str, str]:
    """Keys (S1, S2, …) of the schedules whose labels a figure cannot draw, or only so cut that two look alike.

    Only the font that comes with Matplotlib counts, so that a report is the same on every machine.
    """
    cut = Counter(short(label, 16) for label in schedules)
    keyed = {}
    for number, label in enumerate(schedules, start=1):
        if not _drawable(label) or cut[short(label, 16)] > 1:
            key = f"S{number}"
            while key in schedules:
                key += "*"
            keyed[key] = label
    return keyed


def _drawable(label: str) -> bool:
    """Whether the font has every character, and needs no shaping: joined and right-to-left scripts come out wrong."""
    font = _font()
    return all(
        font.get_char_index(ord(character)) > 0
        and character.isprintable()
        and unicodedata.bidirectional(character) not in ("R", "AL", "NSM")
        for character in label
    )


@lru_cache(maxsize=1)
def _font() -> ft2font.FT2Font:
    with context():  # a user's font.style or font.weight would choose another file
        font = ft2font.FT2Font(font_manager.findfont("DejaVu Sans"))
    font.set_size(_POINTS, _DPI)
    return font
