"""Sizes of images that networks make, and that they halve on the way in and double on the way out."""

from __future__ import annotations

from harness.kinds import Shape


def fits(shape: Shape) -> str | None:
    """None for square images of 8, 12, … 64 pixels; in words what is made instead."""
    size, width, _ = shape
    return None if size == width and 8 <= size <= 64 and size % 4 == 0 else "images of 8, 12, … 64 pixels"


def fits_eighths(shape: Shape) -> str | None:
    """None for square images of 8, 16, … 64 pixels; in words what is made instead."""
    size, width, _ = shape
    return None if size == width and 8 <= size <= 64 and size % 8 == 0 else "images of 8, 16, … 64 pixels"


def fits_32_in_colour(shape: Shape) -> str | None:
    """None for 32x32x3."""
    return None if tuple(shape) == (32, 32, 3) else "32x32x3 images"


def halvings(size: int) -> tuple[int, int]:
    """How often an image's side is halved until it has at most 7 pixels or is odd, and what is left of it."""
    count = 0
    while size > 7 and size % 2 == 0:
        count, size = count + 1, size // 2
    return count, size
