"""A random rectangle of each image set to zero (DiffAugment, Zhao et al. 2020)."""

from __future__ import annotations

from harness.lazy import tf
from harness.models.model import AugmentationPart
from harness.models.nn.draws import Draw, whole

SIDE = 0.5  # of the rectangle, as a fraction of the image's


def cutout(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Images with zeros (mid-grey) in a rectangle of half their sides, which may stick out of the image.

    The rectangle's middle lies anywhere, all places as likely, as in DiffAugment_pytorch.py of mit-han-lab/data-efficient-gans.
    """
    drawn = tf.unstack(draw.uniform((2, tf.shape(images)[0])))
    rows, columns = (_cut(side, numbers) for side, numbers in zip(images.shape[1:3], drawn, strict=True))
    return tf.where((rows[:, :, None] & columns[:, None, :])[..., None], tf.zeros((), images.dtype), images)


def _cut(side: int, drawn: tf.Tensor) -> tf.Tensor:
    """Which places of a side the rectangle covers, bool (n, side), for uniform numbers (n,)."""
    length = int(side * SIDE + 0.5)
    # The middle of an even length lies between two pixels or beside the outermost: one place more.
    start = whole(drawn, side + 1 - length % 2) - length // 2
    places = tf.range(side)[None, :] - start[:, None]
    return (places >= 0) & (places < length)


PART = AugmentationPart(
    name="cutout",
    help="a random rectangle of half the sides of each image is mid-grey (Zhao et al. 2020)",
    build=lambda settings: cutout,
)
