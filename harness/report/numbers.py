"""Numbers as text, with the digits that their uncertainty supports and a true minus sign."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


def number(value: object) -> str:
    """A number with three or four significant digits, whole numbers whole; '–' for a missing one, text as it is.

    >>> number(0.012345), number(-1234567), number(float("nan")), number("better")
    ('0.0123', '−1.23e+06', '–', 'better')
    """
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


def measured(value: float) -> str:
    """A measured number with three significant digits, zeros at its end among them: '1.00', '0.0260', '1235'."""
    if not math.isfinite(value) or value == 0 or not 1e-4 <= abs(value) < 1e6:
        return number(value)
    return _signed(f"{value:#.{3 if abs(value) < 1000 else 4}g}".removesuffix("."))


def aligned(values: Sequence[float], *, spread: float, sign: bool = False) -> list[str]:
    """Numbers cut at the place where `spread` (a half-width or standard deviation) has its second digit.

    Without a spread (missing, zero, or nothing beside the values' rounding error) three or four significant digits. A
    number that would be cut to nothing keeps one digit, so that its sign is true; one below a thousandth of the spread is
    '0'. With `sign`, numbers above zero get a plus.

    >>> aligned([2.34567, -10.0], spread=0.123, sign=True)
    ['+2.35', '−10.00']
    """
    finite = [abs(value) for value in values if math.isfinite(value)]
    largest = max(finite, default=0.0)
    plain = not math.isfinite(spread) or spread <= 1e-9 * largest or spread == 0
    texts = []
    for value in values:
        if plain or not math.isfinite(value):
            text = measured(float(value))
        elif not spread >= 1e-5 or largest >= 1e6:
            places = max(1, math.floor(math.log10(max(largest, spread))) - math.floor(math.log10(spread)) + 1)
            text = _signed(f"{value:.{min(places, 15)}e}")
        else:
            places = max(0, 1 - math.floor(math.log10(spread)))
            text = _signed(_fixed(value, places, least=spread / 1000))
        texts.append(f"+{text}" if sign and value > 0 and text not in ("∞", "0") else text)
    return texts


def _fixed(value: float, places: int, *, least: float) -> str:
    """The number with `places` decimals, or as many as its first digit needs; '0' below `least`."""
    if round(value, places) != 0:
        return f"{value:.{places}f}"
    return "0" if abs(value) < least or value == 0 else f"{value:.{-math.floor(math.log10(abs(value)))}f}"


def interval(low: float, high: float, *, sign: bool = False, spread: float | None = None) -> str:
    """'low to high' with common digits, those of `spread` or else of the interval itself; '–' without an interval.

    >>> interval(-0.876, -0.254)
    '−0.88 to −0.25'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return "–"
    return " to ".join(aligned([low, high], spread=_spread(low, high, spread), sign=sign))


def estimate(value: float, low: float, high: float, *, sign: bool = False, spread: float | None = None) -> str:
    """'value (low to high)' with common digits, as in `interval`; without an interval the value alone.

    >>> estimate(-0.564, -0.876, -0.254, sign=True)
    '−0.56 (−0.88 to −0.25)'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return aligned([value], spread=math.nan if spread is None else spread, sign=sign)[0]
    middle, below, above = aligned([value, low, high], spread=_spread(low, high, spread), sign=sign)
    return middle if middle == below == above == "0" else f"{middle} ({below} to {above})"


def _spread(low: float, high: float, given: float | None) -> float:
    return (high - low) / 2 if given is None or not math.isfinite(given) else given


def in_per_cent(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose differences and intervals are fractions, with these in per cent."""
    return table.assign(**{name: 100 * table[name] for name in ("difference", "low", "high")})


@dataclass(frozen=True)
class Form:
    """How the differences of a score are written.

    In units of the score with the digits of `spread`, or, where they are `relative` (fractions of the baseline), in per
    cent with the digits that `spread` (per cent, too) has; by default with those of each interval.

    >>> Form().estimate(-0.564, -0.876, -0.254), Form(relative=True).estimate(-0.182, -0.271, -0.08)
    ('−0.56 (−0.88 to −0.25)', '−18 % (−27 to −8 %)')
    """

    spread: float | None = None
    relative: bool = False

    def estimate(self, value: float, low: float, high: float) -> str:
        """'value (low to high)'; without an interval the value alone."""
        if not self.relative:
            return estimate(value, low, high, sign=True, spread=self.spread)
        if not (math.isfinite(low) and math.isfinite(high)):
            return self.alone(value)
        return f"{self._percent([value], low, high)[0]} % ({self.interval(low, high)})"

    def interval(self, low: float, high: float) -> str:
        """'low to high'; '–' without an interval."""
        if not self.relative or not (math.isfinite(low) and math.isfinite(high)):
            return interval(low, high, sign=True, spread=self.spread)
        return f"{' to '.join(self._percent([low, high], low, high))} %"

    def alone(self, value: float) -> str:
        """The value without its interval."""
        if not self.relative:
            return aligned([value], spread=math.nan if self.spread is None else self.spread, sign=True)[0]
        return f"{self._percent([value], -0.1, 0.1)[0]} %" if math.isfinite(value) else "–"

    def _percent(self, values: Sequence[float], low: float, high: float) -> list[str]:
        """Per cents with a digit less than other numbers: whole ones unless the half-width is below one."""
        spread = 10 * _spread(100 * low, 100 * high, self.spread)
        return aligned([100 * value for value in values], spread=spread, sign=True)


def percent(fraction: float, *, sign: bool = False) -> str:
    """A fraction as '25 %', with at least one digit unless it is zero; '–' for a missing one.

    >>> percent(0.9), percent(0.0004)
    ('90 %', '0.04 %')
    """
    if not math.isfinite(fraction):
        return "–"
    return f"{aligned([100 * fraction], spread=10.0, sign=sign)[0]} %"


def count(number: int, word: str) -> str:
    """A number of things, in words.

    >>> count(1, "run"), count(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{number:,} {word if number == 1 else plural(word)}"


def plural(word: str) -> str:
    """Several of what a word names.

    >>> plural("seed"), plural("batch"), plural("category"), plural("axis")
    ('seeds', 'batches', 'categories', 'axes')
    """
    if word.endswith("is"):
        return f"{word[:-2]}es"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}s"


def _signed(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text


def name(label: str) -> str:
    """A name to be put into a sentence: one that runs, or turns text, from right to left is isolated."""
    turning = ("R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI")
    if any(unicodedata.bidirectional(character) in turning for character in label):
        return f"\N{FIRST STRONG ISOLATE}{label}\N{POP DIRECTIONAL ISOLATE}"
    return label
