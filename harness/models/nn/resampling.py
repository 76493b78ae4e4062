"""Sides doubled and halved by the binomial filter [1, 3, 3, 1], with zeros beyond the border (Karras et al. 2020)."""

from __future__ import annotations

from harness.lazy import tf


def doubled(x: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c) to (n, 2h, 2w, c): a pixel's new neighbours are 3/4 of it and 1/4 of the pixel next to it."""
    for axis in (1, 2):
        before, after = _shifted(x, axis)
        x = tf.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        sides = [side * 2 if place == axis else side for place, side in enumerate(_sides(x, axis))]
        x = tf.reshape(x, (-1, *sides[1:]))
    return x


def halved(x: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c), whose sides are even, to (n, h/2, w/2, c): means of four pixels a side, weighted 1, 3, 3, 1."""
    for axis in (1, 2):
        sides = x.shape.as_list()
        pairs = tf.reshape(x, (-1, *sides[1:axis], sides[axis] // 2, 2, *sides[axis + 1 :]))
        first, second = tf.unstack(pairs, axis=axis + 1)
        x = (_shifted(second, axis)[0] + 3.0 * first + 3.0 * second + _shifted(first, axis)[1]) * 0.125
    return x


def _sides(stacked: tf.Tensor, axis: int) -> list[int]:
    """The shape of a stack of two without the stack's own axis."""
    sides: list[int] = stacked.shape.as_list()
    return [side for place, side in enumerate(sides) if place != axis + 1]


def _shifted(x: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Each pixel's neighbours before and after it along an axis; 0 beyond the border."""
    padding = [[1, 1] if place == axis else [0, 0] for place in range(4)]
    padded, size = tf.pad(x, padding), x.shape[axis]
    places = [slice(None)] * axis
    return padded[(*places, slice(0, size))], padded[(*places, slice(2, size + 2))]
