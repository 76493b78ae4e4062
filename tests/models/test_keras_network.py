"""Keras models of a user's file train as ordinary Keras does, whatever they keep; what would escape is refused by name."""

import functools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.models import keras_network, own
from harness.models.gan import training as gan
from harness.models.keras_network import OwnSettings, part_of
from harness.models.nn import draws
from harness.models.nn import layers as ours
from harness.models.nn.layers import Call
from harness.own_code import CodeError
from harness.seeds import Seeds
from tests.models.conftest import part, settings

L = keras.layers
SHAPE, LATENT = (8, 8, 1), 8
SEEDS = Seeds.of(3, "confirm", 0)
IMAGES = np.random.default_rng(0).integers(0, 256, (64, *SHAPE), dtype=np.uint8)
ROLES = ("generator", "discriminator")


def generator(latent=LATENT, *more):
    return keras.Sequential(
        [
            keras.Input((latent,)),
            L.Dense(4 * 4 * 8),
            L.Reshape((4, 4, 8)),
            L.BatchNormalization(momentum=0.8),
            L.LeakyReLU(negative_slope=0.2),
            *more,
            L.Conv2DTranspose(1, 4, 2, padding="same", activation="tanh"),
        ]
    )


def judge(*more, wrap=lambda layer: layer):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            wrap(L.Conv2D(8, 4, 2, padding="same")),
            L.LeakyReLU(negative_slope=0.2),
            *more,
            L.Flatten(),
            wrap(L.Dense(1)),
        ]
    )


def plain(shape, latent):
    return {"generator": generator(latent), "discriminator": judge()}


def everything(shape, latent):
    """Dropout in both, batch normalisation in both, and layers that write their own trained kernels."""
    return {
        "generator": generator(latent, L.Dropout(0.2)),
        "discriminator": judge(L.Dropout(0.3), L.BatchNormalization(momentum=0.9), wrap=L.SpectralNormalization),
    }


def adversarial(make, **changes):
    """The GAN of a user's function, trained by plain gradient descent unless `changes` say otherwise."""
    train = settings(**{"optimizer": "sgd", **changes})
    found = part_of("mine.py:build", make, roles=ROLES, precision=train.precision)
    networks = found.build(OwnSettings(LATENT, {}), SHAPE)
    loss = part("loss", "non_saturating")
    from harness import kinds

    declared = kinds.find("loss", loss.name, key="loss")
    return gan.Adversarial(networks, declared.builder(loss.settings), latent=LATENT, train=train, images=IMAGES)


@functools.cache
def trained(make):
    return adversarial(make)


def rates(count, start=0.05):
    ramp = np.linspace(start, 0.01, count, dtype=np.float32)
    return dict.fromkeys(ROLES, ramp)


def part_rates(all_rates, first, last):
    return {name: values[first:last] for name, values in all_rates.items()}


def ordinary(model, steps):
    """The same steps with ordinary Keras variables, the same draws and Keras' own writes."""
    modules = {name: model._modules[name] for name in ROLES}
    for index, module in enumerate(modules.values()):
        values = module.initial(np.random.default_rng([SEEDS.weights, index]))
        for variable, value in zip(module._variables, values, strict=True):
            variable.assign(value)
    makes, judges = modules["generator"], modules["discriminator"]
    roles = tf.constant(draws.roles(SEEDS))
    images = tf.constant(IMAGES)

    def seeded(module, step, place):
        call = Call(training=True, seed=draws.seed_at(roles, draws.NOISE, step, place * 8))
        for state, value in module._seeds(call):
            state.assign(value)

    @tf.function
    def descend(step, rate):
        latents = draws.latents(roles, step, 0, batch=16, dimensions=LATENT)
        chosen = draws.batch_indices(roles, step, 0, batch=16, images=len(IMAGES))
        real = tf.cast(tf.gather(images, chosen), tf.float32) * (1.0 / 127.5) - 1.0
        with tf.GradientTape(persistent=True) as tape:
            seeded(makes, step, gan.GENERATED)
            fake = makes.model(latents, training=True)
            seeded(judges, step, gan.FAKE)
            of_fake = judges.model(fake, training=True)
            seeded(judges, step, gan.REAL)
            of_real = judges.model(real, training=True)
            losses = (
                tf.reduce_mean(tf.nn.softplus(-of_fake)),
                tf.reduce_mean(tf.nn.softplus(-of_real)) + tf.reduce_mean(tf.nn.softplus(of_fake)),
            )
        for module, loss in zip((makes, judges), losses, strict=True):
            variables = module.model.trainable_variables
            for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(rate * slope)

    for step, rate in enumerate(rates(steps)["generator"]):
        descend(tf.constant(step, tf.int64), tf.constant(rate))
    return {name: [variable.numpy() for variable in module._variables] for name, module in modules.items()}


def weights_of(model):
    return {name: [w.numpy() for w in model._packing[name].unpack(*model._read(name))] for name in ROLES}


@pytest.mark.parametrize("make", [plain, everything])
def test_training_equals_ordinary_keras(make):
    model = trained(make)
    model.start(SEEDS)
    model.advance(rates(60))
    mine, theirs = weights_of(model), ordinary(model, 60)
    for name in ROLES:
        for values, expected in zip(mine[name], theirs[name], strict=True):
            assert np.abs(values - expected).max() < 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("make", [plain, everything])
def test_chunks_and_restoring_change_no_bit_and_training_traces_once(make):
    model = trained(make)
    model.start(SEEDS)
    losses = model.advance(rates(12))
    whole = model.state()
    model.start(SEEDS)
    parts = [model.advance(part_rates(rates(12), 0, 5))]
    halfway = model.state()
    model.start(Seeds.of(9, "search", 1))
    model.restore(halfway)
    parts.append(model.advance(part_rates(rates(12), 5, 12)))
    for name, values in losses.items():
        assert np.array_equal(values, np.concatenate([part[name] for part in parts]))
    for name, array in model.state().items():
        assert np.array_equal(array, whole[name]), name
    assert model.traces == 1
    latents = np.random.default_rng(1).standard_normal((600, LATENT), dtype=np.float32)
    images = model.generate(latents, weights="ema")
    assert np.array_equal(
        images, np.concatenate([model.generate(half, weights="ema") for half in (latents[:250], latents[250:])])
    )


def test_initial_weights_follow_the_seed_and_leave_global_random_states_as_they_were():
    module = trained(plain)._modules["generator"]
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again, other = (module.initial(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def noisy(shape, latent):
    return {"generator": generator(latent, L.Dropout(0.2)), "discriminator": judge(L.Dropout(0.3))}


@pytest.mark.parametrize(
    ("precision", "make"),
    [("mixed_bfloat16", everything), ("mixed_float16", noisy)],  # Keras' spectral normalisation overflows in float16
)
def test_layers_compute_in_the_precision_of_the_study(precision, make):
    model = adversarial(make, precision=precision, optimizer="adam")
    policy = keras.config.dtype_policy().name
    model.start(SEEDS)
    losses = model.advance(rates(3, start=1e-3))
    assert all(np.isfinite(values).all() for values in losses.values())
    assert model._modules["discriminator"].model.layers[-1].compute_dtype == precision.removeprefix("mixed_")
    assert policy == "float32"


def test_our_own_layers_are_taken_as_well():
    def mixed(shape, latent):
        layers = (ours.reshape(64), ours.Dense(64, 1))
        return {"generator": generator(latent), "discriminator": ours.Network(layers)}

    model = adversarial(mixed)
    model.start(SEEDS)
    assert np.isfinite(model.advance(rates(2))["discriminator"]).all()


class Counting(L.Layer):
    """Keeps a bare tf.Variable."""

    def build(self, shape):
        self.count = tf.Variable(0.0)

    def call(self, x):
        self.count.assign_add(1.0)
        return x * self.count


class Noisy(L.Layer):
    """Draws from TensorFlow's own generator."""

    def call(self, x):
        return x + tf.random.normal(tf.shape(x))


class Unseeded(L.Layer):
    """Draws from Keras' global generator."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


@pytest.mark.parametrize(
    ("layer", "said"), [(Counting, "Variable"), (Noisy, "RandomStandardNormal"), (Unseeded, "a tf.Variable")]
)
def test_hidden_state_and_noise_are_refused_naming_operation_and_layer(layer, said):
    def make(shape, latent):
        return {"generator": generator(latent), "discriminator": judge(layer(name="culprit"))}

    with pytest.raises(CodeError, match="network 'discriminator' keeps or draws numbers by itself") as told:
        adversarial(make)
    assert said in str(told.value)
    assert "culprit" in str(told.value)
    assert len(str(told.value).splitlines()) == 1


class BatchMean(L.Layer):
    """Subtracts the mean over the batch."""

    def call(self, x):
        return x - tf.reduce_mean(x, 0, keepdims=True)


def test_only_what_surely_looks_at_each_example_by_itself_is_taken_for_it():
    def of(model):
        return keras_network.KerasNetwork("discriminator", model, lambda seed: model).per_example

    assert of(judge(L.Dropout(0.2), L.GroupNormalization(groups=2)))
    assert not of(judge(L.BatchNormalization()))
    assert not of(judge(BatchMean()))
    assert not of(judge(L.Activation(lambda x: x - tf.reduce_mean(x, 0, keepdims=True))))
    assert not of(judge(wrap=L.SpectralNormalization))


def test_a_false_claim_of_per_example_is_refused_and_a_true_one_believed():
    def make(wrap, *more):
        def build(shape, latent):
            discriminator = judge(*more, wrap=wrap)
            discriminator.per_example = True
            return {"generator": generator(latent), "discriminator": discriminator}

        return build

    with pytest.raises(CodeError, match="per_example = True, but an example's output depends on others"):
        adversarial(make(lambda layer: layer, BatchMean()))
    assert adversarial(make(L.SpectralNormalization))._modules["discriminator"].per_example


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda shape, latent: {"generator": generator(latent)}, "gives the networks generator, but the model has"),
        (lambda shape, latent: {"generator": generator(5), "discriminator": judge()}, "takes 5, but gets 8"),
        (
            lambda shape, latent: {"generator": generator(latent), "discriminator": generator(latent)},
            "takes 8, but gets",
        ),
        (lambda shape, latent: {"generator": generator(latent), "discriminator": [1]}, "of type list"),
        (lambda shape, latent: 1 / 0, "ZeroDivisionError"),
        (lambda shape, latent: object(), "without `networks`"),
        (lambda shape: {}, "TypeError"),
    ],
)
def test_what_a_function_gives_is_judged_in_one_sentence(make, said):
    with pytest.raises(CodeError) as told:
        adversarial(make)
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1


class Autoencoder:
    """A variational autoencoder whose two networks descend the sum of two losses; one is made at its first call."""

    latent = 4

    def networks(self, shape):
        encoder = keras.Sequential([L.Flatten(), L.Dense(8, "relu"), L.Dense(2 * self.latent)])
        decoder = keras.Sequential([keras.Input((self.latent,)), L.Dense(64, "tanh"), L.Reshape(shape)])
        return {"encoder": encoder, "decoder": decoder}

    def losses(self, net, images, draw):
        mean, log = tf.split(net["encoder"](images), 2, axis=-1)
        z = mean + tf.exp(0.5 * log) * draw.normal(tf.shape(mean))
        fit = tf.reduce_mean(tf.square(net["decoder"](z) - images))
        return {"fit": fit, "divergence": 1e-3 * tf.reduce_mean(tf.square(mean) + tf.exp(log) - 1.0 - log)}

    def sample(self, net, latents):
        return net["decoder"](latents)


def kind(make, **options):
    found = part_of("mine.py:Kind", make, roles=())
    from types import SimpleNamespace

    from harness import kinds

    kinds.adopt("network", "mine.py:Kind", found)
    network = SimpleNamespace(name="mine.py:Kind", settings=OwnSettings(None, options))
    return own.build(network, settings(), IMAGES)


def test_a_kind_of_ones_own_trains_and_its_names_are_found_by_tracing_it():
    model = kind(Autoencoder)
    assert model.networks == ("encoder", "decoder")
    assert model.losses == ("fit", "divergence")
    model.start(SEEDS)
    each = np.full(150, 3e-3, np.float32)
    losses = model.advance({"encoder": each, "decoder": each})
    assert losses["fit"][-20:].mean() < 0.9 * losses["fit"][:20].mean()
    assert model.generate(np.eye(2, 4, dtype=np.float32), weights="ema").shape == (2, *SHAPE)
    assert "decoder_average" in model.state()
    assert "encoder_average" not in model.state()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"latent": 0}, "latent is 0"),
        ({"losses": lambda self, net, images, draw: 3}, "no dictionary of losses"),
        ({"losses": lambda self, net, images, draw: {"fit": images}}, "no scalar"),
        (
            {"losses": lambda self, net, images, draw: {"fit": tf.reduce_mean(tf.random.normal((2,)))}},
            "RandomStandardNormal",
        ),
        ({"sample": lambda self, net, latents: latents}, "sample makes 4, but the data have 8x8x1"),
    ],
)
def test_a_kind_that_cannot_be_trained_is_refused_in_one_sentence(change, said):
    with pytest.raises(CodeError) as told:
        kind(type("Kind", (Autoencoder,), change))
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1
