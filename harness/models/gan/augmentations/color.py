"""Random brightness, saturation and contrast of each image (DiffAugment, Zhao et al. 2020)."""

from __future__ import annotations

from harness.lazy import tf
from harness.models.model import AugmentationPart
from harness.models.nn.draws import Draw


def color(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Brightness, then saturation, then contrast, as in DiffAugment_pytorch.py of mit-han-lab/data-efficient-gans.

    A number from [-1/2, 1/2) is added; each pixel's distances from its mean over the channels are multiplied by one from [0, 2);
    each value's distance from the mean of the image by one from [1/2, 3/2). Values may leave [-1, 1].
    """
    _, height, width, channels = images.shape
    shift, saturation, contrast = tf.unstack(tf.cast(draw.uniform((3, tf.shape(images)[0], 1, 1)), images.dtype))
    shift, saturation, contrast = shift - 0.5, 2.0 * saturation, contrast + 0.5
    pixels = tf.reshape(images, (-1, height * width, channels))
    # No step but the first moves the mean of the image, and no pixel depends on another but by that mean: all three are one
    # matrix on the channels of a pixel, and one number.
    grey = tf.fill((channels, channels), tf.constant(1.0 / channels, images.dtype))
    mixed = contrast * (saturation * tf.eye(channels, dtype=images.dtype) + (1.0 - saturation) * grey)
    mean = tf.reduce_mean(pixels, axis=(1, 2), keepdims=True)
    return tf.reshape(pixels @ mixed + ((1.0 - contrast) * mean + shift), (-1, height, width, channels))


PART = AugmentationPart(
    name="color",
    help="random brightness, saturation and contrast of each image (Zhao et al. 2020)",
    build=lambda settings: color,
)
