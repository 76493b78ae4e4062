"""Augmentations against slow forms on the same draws, over all that can be drawn, and as slopes go back through them."""

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models.gan.penalties.squared_slope import SquaredSlope
from harness.models.nn.draws import Draw

SEED = tf.constant([1, 2], tf.int64)
IMAGES = np.random.default_rng(6).uniform(-1, 1, (5, 9, 12, 3)).astype(np.float32)


class Given:
    """In place of a Draw: the numbers that it is given, one array per draw."""

    def __init__(self, *numbers):
        self._numbers = iter(numbers)

    def uniform(self, shape):
        return tf.reshape(tf.constant(next(self._numbers), tf.float32), shape)


def slow_color(image, shift, saturation, contrast):
    image = image + (shift - 0.5)
    for pixel in np.ndindex(image.shape[:2]):
        mean = image[pixel].mean()
        image[pixel] = (image[pixel] - mean) * (2 * saturation) + mean
    return (image - image.mean()) * (contrast + 0.5) + image.mean()


def slow_translation(image, up, left):
    """Sides 9 and 12: at most 1.125 and 1.5 pixels, to the nearest, 1.5 up."""
    up, left = int(up * 3) - 1, int(left * 5) - 2
    moved = np.zeros_like(image)
    for y, x in np.ndindex(image.shape[:2]):
        if 0 <= y - up < 9 and 0 <= x - left < 12:
            moved[y - up, x - left] = image[y, x]
    return moved


def slow_cutout(image, row, column):
    """Sides 9 and 12: a rectangle of 5 (4.5, up) and 6; of odd length about a pixel, of even about any of the 13 borders."""
    top, left = int(row * 9) - 2, int(column * 13) - 3
    image[max(top, 0) : top + 5, max(left, 0) : left + 6] = 0
    return image


SLOW = {"color": (3, slow_color), "translation": (2, slow_translation), "cutout": (2, slow_cutout)}


def made(name):
    part = kinds.find("augmentation", name, key="augment")
    return part.builder(part.set({}))


def test_every_augmentation_has_an_example():
    assert SLOW.keys() == kinds.parts("augmentation").keys()


@pytest.mark.parametrize("name", SLOW)
def test_an_augmentation_is_its_slow_form_on_the_same_draws(name):
    count, slow = SLOW[name]
    for seed in range(4):
        seed = tf.constant([seed, 7], tf.int64)
        numbers = np.float64(Draw(seed).uniform((count, len(IMAGES)))).T
        expected = [slow(image.astype(np.float64), *each) for image, each in zip(IMAGES, numbers, strict=True)]
        np.testing.assert_allclose(made(name)(tf.constant(IMAGES), Draw(seed)), expected, atol=2e-6)


def evenly(count, columns):
    """`columns` numbers in [0, 1), (columns, count ** columns): the middles of `count` parts, each with each."""
    middles = (np.arange(count) + 0.5) / count
    return np.stack(np.meshgrid(*[middles] * columns)).reshape(columns, -1)


@pytest.mark.parametrize(("side", "most"), {4: 1, 8: 1, 28: 4, 32: 4}.items())
def test_all_shifts_within_an_eighth_are_as_likely(side, most):
    drawn = evenly(2 * most + 1, 2)
    image = np.zeros((side, side, 1), np.float32)
    image[side // 2, side // 2] = 1.0  # is not shifted out
    found = made("translation")(tf.constant([image] * drawn.shape[1]), Given(drawn)).numpy()
    places = sorted((y - side // 2, x - side // 2) for _, y, x, _ in np.argwhere(found))
    assert places == [(y, x) for y in range(-most, most + 1) for x in range(-most, most + 1)]


def test_a_cut_is_half_as_wide_with_its_middle_as_likely_on_every_border_of_pixels():
    drawn = evenly(33, 2)
    kept = made("cutout")(tf.ones((drawn.shape[1], 32, 32, 1)), Given(drawn)).numpy()[..., 0]
    within = [min(16, 8 + middle, 40 - middle) for middle in range(33)]  # of a cut whose middle lies there
    rows, columns = (32 - kept.min(axis=axis).sum(axis=1) for axis in (2, 1))
    assert sorted(zip(rows, columns, strict=True)) == sorted((y, x) for y in within for x in within)
    np.testing.assert_array_equal(1024 - kept.sum(axis=(1, 2)), rows * columns)  # and nothing besides


@pytest.mark.parametrize("name", SLOW)
def test_slopes_go_back_through_an_augmentation_as_the_transposed_of_its_matrix_also_in_a_penalty(name):
    """For given draws an augmentation is a matrix and a vector, found here from the images that have one pixel each."""
    augment, size, n = made(name), 4 * 4 * 2, 3
    rng = np.random.default_rng(8)
    images, slope = rng.normal(size=(2, n, 4, 4, 2)).astype(np.float32)

    def shown(values):
        return np.float64(augment(tf.constant(np.float32(values)), Draw(SEED)))

    offset = shown(np.zeros((n, 4, 4, 2)))
    units = np.broadcast_to(np.eye(size).reshape(size, 1, 4, 4, 2), (size, n, 4, 4, 2))
    matrices = np.stack([(shown(unit) - offset).reshape(n, size) for unit in units], axis=2)  # (n, to, from)
    with tf.GradientTape() as tape:
        watched = tf.constant(images)
        tape.watch(watched)
        value = augment(watched, Draw(SEED))
    back = np.einsum("nij,ni->nj", matrices, slope.reshape(n, size))
    found = tape.gradient(value, watched, output_gradients=tf.constant(slope))
    np.testing.assert_allclose(found, back.reshape(images.shape), atol=2e-5)

    # The critic ½ w ‖A x + b‖² has the slope w Aᵀ (A x + b): R1 is 5 w² of its square's mean, its gradient 10 w of it.
    weight = tf.constant(1.5)
    with tf.GradientTape() as tape:
        tape.watch(weight)
        penalty = SquaredSlope(10.0)(
            lambda x: 0.5 * weight * tf.reduce_sum(tf.square(augment(x, Draw(SEED))), (1, 2, 3)), watched, None, None
        )
    at = np.einsum(
        "nij,ni->nj", matrices, np.einsum("nij,nj->ni", matrices, images.reshape(n, size)) + offset.reshape(n, size)
    )
    square = (at**2).sum(1).mean()
    assert float(penalty) == pytest.approx(5 * 1.5**2 * square, rel=1e-5)
    assert float(tape.gradient(penalty, weight)) == pytest.approx(10 * 1.5 * square, rel=1e-5)


def test_xla_compiles_them_and_their_gradients_to_the_same_numbers():
    drawn = [np.random.default_rng(9).uniform(size=(count, len(IMAGES))) for count, _ in SLOW.values()]

    def slopes(images):
        draw = Given(*drawn)  # XLA draws other numbers of a seed
        with tf.GradientTape() as tape:
            tape.watch(images)
            shown = images
            for name in SLOW:
                shown = made(name)(shown, draw)
        return shown, tape.gradient(shown, images, output_gradients=shown)

    plain, compiled = slopes(tf.constant(IMAGES)), tf.function(slopes, jit_compile=True)(tf.constant(IMAGES))
    for expected, found in zip(plain, compiled, strict=True):
        assert expected.shape == IMAGES.shape
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize(("precision", "last_digit"), [(tf.float16, 2**-10), (tf.bfloat16, 2**-7)])
def test_images_keep_their_precision(name, precision, last_digit):
    images = tf.constant(IMAGES, precision)
    found = made(name)(images, Draw(SEED))
    assert found.dtype == precision
    wide = made(name)(tf.cast(images, tf.float32), Draw(SEED))
    np.testing.assert_allclose(tf.cast(found, tf.float32), wide, atol=8 * last_digit)
