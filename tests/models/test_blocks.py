"""Layers made of layers, group and spectral normalisation: against Keras, NumPy's SVD and parts called by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.models.nn import layers, sizes
from harness.models.nn.blocks import Chain, Sum
from harness.models.nn.layers import BatchNormalization, Call, Convolution, Dense, GroupNormalization, Network
from harness.models.nn.packing import Packing
from harness.models.nn.spectral import SpectrallyNormalised


def drawn(layer, seed=1):
    rng = np.random.default_rng(seed)
    return [tf.constant(weight.initial(rng, weight.shape)) for weight in layer.weights()]


def image(*shape):
    return tf.constant(np.random.default_rng(2).normal(1.0, 2.0, shape).astype(np.float32))


def test_a_chain_of_chains_is_the_network_of_all_its_layers():
    one, two, three = Dense(3, 4), BatchNormalization(4), Dense(4, 2)
    nested, flat = Network((Chain((one, Chain((two,)))), Chain(()), three)), Network((one, two, three))
    weights, x = drawn(flat), image(5, 3)
    calls = Call(training=True), Call(training=True)
    np.testing.assert_array_equal(nested(x, weights, calls[0]), flat(x, weights, calls[1]))
    assert calls[0].moved.keys() == calls[1].moved.keys() == {4, 5}
    assert [weight.shape for weight in nested.weights()] == [weight.shape for weight in flat.weights()]


def test_a_sum_gives_each_branch_its_own_weights_and_statistics():
    branches = Chain((Dense(3, 3), BatchNormalization(3))), Chain(()), Dense(3, 3)
    layer, x = Sum(branches), image(6, 3)
    weights, call = drawn(layer), Call(training=True)
    apart = Call(training=True)
    expected = branches[0](x, weights[:6], apart, 0) + x + branches[2](x, weights[6:], apart, 6)
    np.testing.assert_allclose(layer(x, weights, call, 7), expected, atol=1e-6)
    assert call.moved.keys() == {7 + 4, 7 + 5}


def test_a_composite_looks_at_examples_by_themselves_if_all_its_layers_do():
    mixing, apart = BatchNormalization(3), Dense(3, 3)
    for kind in (Chain, Sum):
        assert kind((apart, apart)).per_example
        assert not kind((apart, Chain((mixing,)))).per_example


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_normalisation_equals_keras_and_looks_at_each_example_alone(groups):
    layer, x = GroupNormalization(6, groups), image(4, 5, 3, 6)
    weights = [image(6), image(6) + 1.0]
    reference = keras.layers.GroupNormalization(groups, epsilon=1e-5)
    reference.build(x.shape)
    reference.set_weights(weights)
    found = layer(x, weights, Call(training=True), 0)
    np.testing.assert_allclose(found, reference(x), atol=2e-5)
    np.testing.assert_allclose(layer(x[:1], weights, Call(training=False), 0), found[:1], atol=1e-5)


def test_halved_is_the_mean_of_2x2_pixels_and_undoes_doubled():
    x, call = image(2, 4, 6, 3), Call(training=False)
    twice = layers.doubled()(x, (), call, 0)
    assert twice.shape == (2, 8, 12, 3)
    np.testing.assert_array_equal(twice[0, 2:4, 6:8, 1], np.full((2, 2), x[0, 1, 3, 1]))
    np.testing.assert_allclose(layers.halved()(twice, (), call, 0), x, rtol=1e-6)
    np.testing.assert_allclose(layers.summed()(x, (), call, 0), x.numpy().sum((1, 2)), rtol=1e-5)


KERNELS = {"dense": Dense(7, 5), "convolution": Convolution(3, 4, 6)}


@pytest.mark.parametrize("name", KERNELS)
def test_spectral_normalisation_makes_the_largest_singular_value_1(name):
    plain = KERNELS[name]
    layer = SpectrallyNormalised(plain)
    kernel, bias, left = drawn(layer)
    bias = bias + 0.5
    x = image(2, 7) if name == "dense" else image(2, 5, 5, 4)
    for _ in range(200):
        call = Call(training=True)
        output = layer(x, (3.0 * kernel, bias, left), call, 0)
        left = call.moved[2]
    largest = np.linalg.svd(3.0 * kernel.numpy().reshape(-1, plain.outputs), compute_uv=False)[0]
    expected = plain(x, (3.0 * kernel / largest, bias), Call(training=True), 0)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)
    resting = Call(training=False)
    np.testing.assert_allclose(layer(x, (3.0 * kernel, bias, left), resting, 0), expected, rtol=1e-4, atol=1e-4)
    assert not resting.moved


def test_a_training_pass_makes_one_power_iteration_and_the_gradient_goes_through_the_division():
    layer = SpectrallyNormalised(Dense(4, 3))
    kernel, bias, left = drawn(layer)
    x, slope = image(5, 4), image(5, 3)
    matrix = kernel.numpy().astype(np.float64)
    right = matrix @ left.numpy()
    right /= np.linalg.norm(right)
    after = matrix.T @ right
    after /= np.linalg.norm(after)
    call = Call(training=True)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        y = layer(x, (kernel, bias, left), call, 0)
    found = tape.gradient(y, kernel, output_gradients=slope).numpy()
    np.testing.assert_allclose(call.moved[2], after, rtol=1e-5)
    # d(W/σ) with σ = rᵀWl: (G - <G, W/σ> r lᵀ) / σ, equation 12 of the paper
    largest, outer = right @ matrix @ after, x.numpy().T.astype(np.float64) @ slope.numpy()
    expected = (outer - (outer * matrix / largest).sum() * np.outer(right, after)) / largest
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_vector_of_the_power_iteration_is_no_trained_weight():
    network = Network((SpectrallyNormalised(Dense(4, 3)), layers.leaky_relu(0.2), SpectrallyNormalised(Dense(3, 1))))
    assert network.per_example
    assert Packing(network).trained == 4 * 3 + 3 + 3 + 1
    assert sum(weight.size for weight in network.weights() if weight.moving) == 3 + 1


def test_halvings_end_at_odd_or_small_sides():
    assert {size: sizes.halvings(size) for size in (8, 12, 16, 28, 32, 36, 64)} == {
        8: (1, 4), 12: (1, 6), 16: (2, 4), 28: (2, 7), 32: (3, 4), 36: (2, 9), 64: (4, 4),
    }  # fmt: skip
