"""Numbers as text, with the digits that their uncertainty supports and a true minus sign."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import pandas as pd


def number(value: object) -> str:
    """A number with three or four significant digits, whole numbers whole; '–' for a missing one, text as it is."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    given = float(str(value))
    if math.isinf(given):
        return "∞" if given > 0 else "−∞"
    if given == int(given) and abs(given) < 1e6 and not isinstance(value, float):
        return _signed(str(int(given)))
    if given == 0:
        return "0"
    digits = 3 if abs(given) < 1000 else 4
    return _signed(f"{given:.{digits}g}" if 1e-4 <= abs(given) < 1e6 else f"{given:.2e}")


def aligned(values: Sequence[float], *, spread: float, sign: bool = False) -> list[str]:
    """Numbers cut at the place where `spread` (a half-width or standard deviation) has its second digit.

    Without a spread (missing, zero, or nothing beside the values' rounding error) three or four significant digits.
    With `sign`, numbers above zero get a plus.
    """
    finite = [abs(value) for value in values if math.isfinite(value)]
    largest = max(finite, default=0.0)
    plain = not math.isfinite(spread) or spread <= 1e-9 * largest or spread == 0
    found = []
    for value in values:
        if plain or not math.isfinite(value):
            text = number(float(value))
        elif not spread >= 1e-5 or largest >= 1e6:
            places = max(1, math.floor(math.log10(max(largest, spread))) - math.floor(math.log10(spread)) + 1)
            text = _signed(f"{value:.{min(places, 15)}e}")
        else:
            places = max(0, 1 - math.floor(math.log10(spread)))
            text = _signed(f"{round(value, places) + 0.0:.{places}f}")  # no minus before a zero
        found.append(f"+{text}" if sign and value > 0 and text != "∞" else text)
    return found


def interval(low: float, high: float, *, sign: bool = False) -> str:
    """'low to high' with common digits; '–' without an interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "–"
    return " to ".join(aligned([low, high], spread=(high - low) / 2, sign=sign))


def estimate(value: float, low: float, high: float, *, sign: bool = False) -> str:
    """'value (low to high)' with common digits; without an interval the value alone."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return aligned([value], spread=math.nan, sign=sign)[0]
    middle, below, above = aligned([value, low, high], spread=(high - low) / 2, sign=sign)
    return f"{middle} ({below} to {above})"


def percent(share: float) -> str:
    """A share as '25 %'; '–' for a missing one."""
    return f"{share:.0%}".replace("%", " %") if math.isfinite(share) else "–"


def _signed(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text


def name(label: str) -> str:
    """A name to be put into a sentence: one that runs, or turns text, from right to left is isolated."""
    turning = ("R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI")
    if any(unicodedata.bidirectional(mark) in turning for mark in label):
        return f"\N{FIRST STRONG ISOLATE}{label}\N{POP DIRECTIONAL ISOLATE}"
    return label
