"""Random shifts of each image (DiffAugment, Zhao et al. 2020)."""

from __future__ import annotations

from harness.lazy import tf
from harness.models.model import AugmentationPart
from harness.models.nn.draws import Draw, whole

LARGEST = 0.125  # shift, as a fraction of a side


def translation(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Images shifted by whole pixels along both sides, with zeros (mid-grey) where there was no image.

    Each shift is one of the whole numbers within ±1/8 of the side (rounded), all as likely, as in DiffAugment_pytorch.py of
    mit-han-lab/data-efficient-gans.
    """
    drawn = tf.unstack(draw.uniform((2, tf.shape(images)[0])))
    up, left = (_shift(side, numbers) for side, numbers in zip(images.shape[1:3], drawn, strict=True))
    return shifted(images, up, left)


def _shift(side: int, drawn: tf.Tensor) -> tf.Tensor:
    """Shifts along a side, int32 (n,), for uniform numbers (n,)."""
    largest = int(side * LARGEST + 0.5)
    return whole(drawn, 2 * largest + 1) - largest


def shifted(images: tf.Tensor, up: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Images (n, h, w, c) moved by `up` and `left` pixels, int32 (n,), with zeros where there was no image.

    The gradient of a shift is the shift back, so that every derivative is one look-up, too.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def move(values: tf.Tensor) -> tuple[tf.Tensor, object]:
        return _moved(values, up, left), lambda slope: shifted(slope, -up, -left)

    return move(images)


def _moved(images: tf.Tensor, up: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    _, height, width, channels = images.shape
    rows = tf.range(height)[None, :] + up[:, None]
    columns = tf.range(width)[None, :] + left[:, None]
    there = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    # Within all pixels of the batch in one row.
    first = tf.range(tf.shape(images)[0])[:, None] * height + tf.clip_by_value(rows, 0, height - 1)
    places = first[:, :, None] * width + tf.clip_by_value(columns, 0, width - 1)[:, None, :]
    found = tf.gather(tf.reshape(images, (-1, channels)), places)
    return tf.where(there[..., None], found, tf.zeros((), images.dtype))


PART = AugmentationPart(
    name="translation",
    help="random shifts of each image by up to 1/8 of its sides (Zhao et al. 2020)",
    build=lambda settings: translation,
)
