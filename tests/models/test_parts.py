"""Losses, layers and checkpoints against independent formulas and Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models import checkpoints
from harness.models.checkpoints import CheckpointError
from harness.models.gan.backward import DiscriminatorPass
from harness.models.nn import layers
from harness.models.nn.draws import Draw
from harness.models.nn.packing import Packing

REAL, FAKE = np.array([1.5, -0.5, 0.2]), np.array([-2.0, 0.3, 1.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


EXPECTED = {
    "non_saturating": (
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
        -np.log(sigmoid(FAKE)).mean(),
    ),
    "hinge": (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
    "least_squares": (((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2, ((FAKE - 1) ** 2).mean() / 2),
    "minimax": (
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
        np.log(1 - sigmoid(FAKE)).mean(),
    ),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    "relativistic": (-np.log(sigmoid(REAL - FAKE)).mean(), -np.log(sigmoid(FAKE - REAL)).mean()),
}
EXPECTED["r1"], EXPECTED["wasserstein_gp"] = EXPECTED["non_saturating"], EXPECTED["wasserstein"]  # besides penalties


def test_every_loss_has_an_example():
    assert EXPECTED.keys() == kinds.parts("loss").keys()


def made(name, **settings):
    part = kinds.find("loss", name, key="loss")
    return part.builder(part.set(settings))


@pytest.mark.parametrize("name", EXPECTED)
def test_losses_are_their_papers_formulas(name):
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    found = made(name).discriminator(real, fake).numpy(), made(name).generator(real, fake).numpy()
    np.testing.assert_allclose(found, EXPECTED[name], rtol=1e-12)


@pytest.mark.parametrize("name", EXPECTED)
def test_gradients_of_losses_are_their_finite_differences(name):
    logits, loss, step = [REAL, FAKE], made(name), 1e-6
    for value in (loss.discriminator, loss.generator):
        with tf.GradientTape() as tape:
            watched = [tf.constant(each) for each in logits]
            tape.watch(watched)
            found = tape.gradient(value(*watched), watched, unconnected_gradients="zero")
        for which in range(2):
            for place in range(3):
                moved = [[each.copy() for each in logits] for _ in range(2)]
                moved[0][which][place] -= step
                moved[1][which][place] += step
                below, above = (float(value(*map(tf.constant, each))) for each in moved)
                assert float(found[which][place]) == pytest.approx((above - below) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_loss_says_whether_its_generator_reads_real_logits(name):
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    with tf.GradientTape() as tape:
        tape.watch(real)
        value = made(name).generator(real, fake)
    assert made(name).pairs == (tape.gradient(value, real) is not None)


def test_gradient_penalty_of_a_linear_critic_is_its_slope():
    slope = np.array([3.0, 4.0], np.float32)  # norm 5: penalty weight * (5 - 1)^2
    points = tf.constant(np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32))
    draw = Draw(tf.constant([1, 2], tf.int64))
    for settings, expected in (({}, 160.0), ({"penalty": 0.5}, 8.0)):
        penalty = made("wasserstein_gp", **settings).penalty(
            lambda x: tf.linalg.matvec(x, slope), points, points + 1.0, draw
        )
        assert penalty.numpy() == pytest.approx(expected, rel=1e-5)


def test_batch_normalisation_equals_keras_in_training_and_inference():
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, (16, 4, 4, 5)).astype(np.float32)
    reference = keras.layers.BatchNormalization(momentum=0.8, epsilon=1e-3)
    expected = reference(x, training=True).numpy()
    layer = layers.BatchNormalization(5, momentum=0.8)
    weights = [tf.constant(w.initial(rng, w.shape)) for w in layer.weights()]
    call = layers.Call(training=True)
    np.testing.assert_allclose(layer(tf.constant(x), weights, call, 0).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(call.moved[2], reference.moving_mean.numpy(), rtol=1e-4)
    np.testing.assert_allclose(
        layer(
            tf.constant(x),
            [
                *weights[:2],
                tf.constant(reference.moving_mean.numpy()),
                tf.constant(reference.moving_variance.numpy()),
            ],
            layers.Call(training=False),
            0,
        ),
        reference(x, training=False),
        atol=1e-5,
    )


def test_layers_equal_keras():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    for ours, theirs in (
        (layers.Convolution(3, 3, 4, stride=2), keras.layers.Conv2D(4, 3, strides=2, padding="same")),
        (layers.Convolution(3, 3, 1), keras.layers.Conv2D(1, 3, padding="same")),
        (
            layers.TransposedConvolution(3, 3, 4),
            keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
        ),
    ):
        weights = [w.initial(rng, w.shape) for w in ours.weights()]
        theirs.build(x.shape)
        theirs.set_weights(weights)
        np.testing.assert_allclose(
            ours(tf.constant(x), list(map(tf.constant, weights)), layers.Call(training=True), 0),
            theirs(x),
            atol=1e-5,
        )


def transposed(x, kernel):
    return tf.nn.conv2d_transpose(x, kernel, (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], kernel.shape[2]), 2)


FORMS = {  # the form, the plain one, and shapes of input, kernel and output
    "to one": (
        layers.to_one_channel,
        lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"),
        (2, 6, 6, 5),
        (3, 3, 5, 1),
        (2, 6, 6, 1),
    ),
    **{
        f"from {few}, {size}x{size}": (
            layers.from_few_channels,
            lambda x, k: tf.nn.conv2d(x, k, 2, "SAME"),
            (2, 8, 6, few),
            (size, size, few, 7),
            (2, 4, 3, 7),
        )
        for few in (1, 3)
        for size in (3, 4)
    },
    **{
        f"{form.__name__}, {outputs}, {size}x{size}": (
            form,
            transposed,
            (2, 4, 3, 7),
            (size, size, outputs, 7),
            (2, 8, 6, outputs),
        )
        for form, outputs in ((layers.to_few_channels, 1), (layers.to_few_channels, 3), (layers.to_some_channels, 5))
        for size in (3, 4)
    },
}


@pytest.mark.parametrize("name", FORMS)
def test_the_faster_forms_for_few_channels_equal_the_plain_ones_to_the_second_gradient(name):
    form, plain, *shapes = FORMS[name]
    rng = np.random.default_rng(2)
    x, kernel, slope = (tf.constant(rng.normal(size=shape).astype(np.float32)) for shape in shapes)
    found = []
    for convolve in (form, plain):
        with tf.GradientTape() as outer:
            outer.watch([x, kernel])
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = convolve(x, kernel)
            first = tape.gradient(y, [x, kernel], output_gradients=slope)
            size = tf.reduce_sum(tf.square(first[0])) + tf.reduce_sum(tf.square(first[1]))
        found.append([y, *first, *outer.gradient(size, [x, kernel])])
    for fast, slow in zip(*found, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5 * np.abs(slow).max())


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize(
    ("layer", "shape"), [(layers.Convolution, (2, 8, 6, 17)), (layers.TransposedConvolution, (2, 4, 4, 20))]
)
def test_convolutions_in_bfloat16_have_the_gradients_of_float32_but_for_rounding(layer, shape, size):
    rng = np.random.default_rng(5)
    made = layer(size, shape[-1], 18, stride=2)
    drawn = (rng.normal(size=shape), rng.normal(size=made.weights()[0].shape) / 20)
    x, kernel = (tf.cast(tf.cast(each, tf.bfloat16), tf.float32) for each in drawn)  # so that no sign is another's
    found = []
    for kind in (tf.bfloat16, tf.float32):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as tape:
                given = tf.cast(x, kind)
                tape.watch([given, kernel])
                y = made(given, [kernel, tf.zeros(18)], layers.Call(training=True), 0)
                total = tf.reduce_sum(tf.square(tf.cast(layers.leaky_relu(0.2)(y, [], None, 0), tf.float32)))
            first = tape.gradient(total, [given, kernel])
            penalty = tf.reduce_sum(tf.square(tf.cast(first[0], tf.float32)))
        found.append([tf.cast(each, tf.float32) for each in (y, *first, outer.gradient(penalty, kernel))])
    for rounded, exact in zip(*found, strict=True):
        np.testing.assert_allclose(rounded, exact, rtol=0, atol=2**-4 * np.abs(exact).max())


def test_kernels_are_rounded_all_at_once_and_their_gradients_put_together_as_those_of_each():
    network = layers.Network((layers.Dense(3, 5), layers.BatchNormalization(5), layers.Dense(5, 1)))
    rounding = Packing(network, bfloat16=True)
    trained, moving = (tf.constant(each) for each in rounding.initial((1, 2)))
    with tf.GradientTape() as tape:
        tape.watch(trained)
        parts = rounding.unpack(trained, moving)
        total = tf.add_n([(index + 1) * tf.reduce_sum(tf.cast(part, tf.float32)) for index, part in enumerate(parts)])
    exact = Packing(network).unpack(*map(tf.constant, Packing(network).initial((1, 2))))
    kinds = [tf.bfloat16, *[tf.float32] * 5, tf.bfloat16, tf.float32]
    assert [part.dtype for part in parts] == kinds
    for part, same, kind in zip(parts, exact, kinds, strict=True):
        np.testing.assert_array_equal(part, tf.cast(same, kind))
    slopes = rounding.unpack(tape.gradient(total, trained), moving)
    for index, (slope, weight) in enumerate(zip(slopes, rounding.weights, strict=True)):
        if not weight.moving:
            np.testing.assert_array_equal(tf.cast(slope, tf.float32), np.full(weight.shape, index + 1))


def test_a_convolution_of_odd_sides_has_the_gradient_of_the_plain_one():
    rng = np.random.default_rng(3)
    layer, x = layers.Convolution(4, 3, 5, stride=2), tf.constant(rng.normal(size=(1, 7, 7, 3)).astype(np.float32))
    kernel = tf.constant(rng.normal(size=(4, 4, 3, 5)).astype(np.float32))
    slopes = []
    for convolve in (
        lambda: layer(x, [kernel, tf.zeros(5)], layers.Call(training=True), 0),
        lambda: tf.nn.conv2d(x, kernel, 2, "SAME"),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = convolve()
        slopes.append(tape.gradient(y, x))
    np.testing.assert_allclose(*slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", EXPECTED)
@pytest.mark.parametrize("offset", [0.0, -30.0, 30.0])
def test_one_pass_back_gives_the_gradients_of_both_losses(loss, offset):
    rng = np.random.default_rng(4)
    weights, fake, real = (tf.constant(rng.normal(size=shape).astype(np.float32)) for shape in ((6, 1), (5, 6), (5, 6)))

    def judge(images):
        return (tf.tanh(images) @ tf.sinh(weights))[:, 0] + offset

    found = []
    for shared in (True, False):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch((weights, fake))
            penalty = tf.reduce_sum(tf.square(weights)) if loss == "wasserstein_gp" else None
            judged = DiscriminatorPass(
                made(loss), tape, weights, fake, judge(real), judge(fake), penalty, True, weights
            )
            loss_g, loss_d = judged.losses()
        plain = 8.0 * tape.gradient(loss_d, weights), 8.0 * tape.gradient(loss_g, fake)
        found.append(judged.gradients(8.0) if shared else plain)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-12)


def test_dropout_keeps_the_mean_repeats_for_a_seed_and_rests_in_inference():
    layer, x = layers.Dropout(0.3), tf.ones((200, 200))
    seed = tf.constant([5, 6], tf.int64)
    once = layer(x, [], layers.Call(training=True, seed=seed), 0).numpy()
    again = layer(x, [], layers.Call(training=True, seed=seed), 0).numpy()
    np.testing.assert_array_equal(once, again)
    assert set(np.unique(once)) == {0.0, np.float32(2**16 / (2**16 - round(0.3 * 2**16)))}
    odd = layer(tf.ones((3, 5)), [], layers.Call(training=True, seed=seed), 0)
    assert odd.shape == (3, 5)
    lost = once.ravel() == 0
    assert lost.mean() == pytest.approx(0.3, abs=0.01)
    for lag in (1, 2, 19_999, 20_000, 20_001):  # values that share a drawn byte lie half of all apart
        assert abs(np.corrcoef(lost, np.roll(lost, lag))[0, 1]) < 0.02
    assert layer(x, [], layers.Call(training=False), 0) is x


ARRAYS = {"a": np.arange(5.0), "b": np.array(3, np.int64)}


def test_checkpoints_come_back_whole(tmp_path):
    checkpoints.save(tmp_path / "x", ARRAYS, {"note": "ä"})
    found = checkpoints.load(tmp_path / "x")
    assert found.meta == {"note": "ä"}
    assert all(np.array_equal(found.arrays[name], ARRAYS[name]) for name in ARRAYS)
    assert checkpoints.load(tmp_path / "absent") is None


def test_a_checkpoint_cut_or_flipped_anywhere_is_set_aside_and_the_one_before_used(tmp_path):
    path = tmp_path / "x"
    rng = np.random.default_rng(0)
    for trial in range(60):
        checkpoints.save(path, ARRAYS, {"version": 1})
        checkpoints.save(path, ARRAYS, {"version": 2})
        content = bytearray(path.read_bytes())
        place = int(rng.integers(len(content)))
        if trial % 2:
            content = content[:place]
        else:
            content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(content))
        with pytest.raises(CheckpointError, match="x: "):
            checkpoints.read(path)
        assert checkpoints.load(path).meta == {"version": 1}
        assert (tmp_path / "x.damaged").exists()
        checkpoints.remove(path)


def test_a_pickled_array_is_never_read(tmp_path):
    import hashlib
    import io

    buffer = io.BytesIO()
    np.savez(buffer, evil=np.array([{"a": 1}], dtype=object))
    content = buffer.getvalue()
    (tmp_path / "x").write_bytes(checkpoints.MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.read(tmp_path / "x")
