"""The adversarial step beyond its defaults: alternating updates, classes, mirrored images, controls."""

import numpy as np
import pytest

from harness import kinds
from harness.lazy import tf
from harness.models import checkpoints
from harness.models.gan.training import build
from harness.models.model import NetworkPart
from harness.models.nn.layers import BatchNormalization, Call, Dense, Network, leaky_relu, reshape, tanh
from harness.models.training import CONTROLS
from harness.seeds import Seeds
from tests.models.conftest import part, settings

SEEDS = Seeds(1, 2, 3, 4)
CLASSES = 4


def images(count=64):
    """Each has one value on its left half, its class times 40, and 255 on its right half."""
    labels = np.arange(count) % CLASSES
    made = np.full((count, 8, 8, 1), 255, np.uint8)
    made[:, :, :4] = (labels * 40).astype(np.uint8)[:, None, None, None]
    return made, labels.astype(np.int64)


class Labelled(Network):
    """Dense layers that see an example's class beside its values."""

    def __call__(self, x, weights, call):
        values, classes = x
        return super().__call__(
            tf.concat([tf.reshape(values, (-1, values.shape[1:].num_elements())), classes], 1), weights, call
        )


def labelled_pair(settings, shape, classes):
    """A conditional pair that is traced in no time."""
    generator = (Dense(settings.latent + classes, 8), leaky_relu(0.2), Dense(8, 64), reshape(8, 8, 1), tanh())
    return {
        "generator": Labelled(generator),
        "discriminator": Labelled((Dense(64 + classes, 8), leaky_relu(0.2), Dense(8, 1))),
    }


def mixing_pair(settings, shape):
    """A discriminator whose logits depend on the whole batch."""
    judge = (reshape(64), Dense(64, 4), BatchNormalization(4), Dense(4, 1))
    return {"generator": Network((Dense(settings.latent, 64), reshape(8, 8, 1))), "discriminator": Network(judge)}


@pytest.fixture(scope="module", autouse=True)
def pairs():
    """Both pairs under names of a study's own."""
    latent = kinds.find("network", "dcgan", key="").settings
    for name, make in (("labelled.py", labelled_pair), ("mixing.py", mixing_pair)):
        sees = make is labelled_pair
        made = NetworkPart(name=name, help="", model="gan", settings=latent, build=make, conditional=sees)
        kinds.adopt("network", name, made)
    yield
    kinds.forget("network")


def model(network="labelled.py", labelled=True, controls=(), **changes):
    pictures, labels = images()
    further = {"labels": labels} if labelled else {}
    chosen = part("network", network, latent=6, width=4)
    return build(chosen, settings(**changes), pictures, controls=controls, **further)


EVERYTHING = {
    "loss": "relativistic",
    "penalties": (part("penalty", "r1", weight=0.5, every=3), part("penalty", "r2", weight=0.5)),
    "updates": "alternating",
    "discriminator_steps": 2,
    "generator_batch": 10,
    "flip": True,
}


def both(steps, rate=1e-3):
    return dict.fromkeys(("generator", "discriminator"), np.full(steps, rate, np.float32))


def falling(steps, first=0):
    return {name: np.linspace(0.99, 0.9, 7, dtype=np.float32)[first : first + steps] for name in CONTROLS}


@pytest.fixture(scope="module")
def everything():
    return model(controls=CONTROLS, **EVERYTHING)


def test_how_steps_are_cut_and_where_a_run_is_resumed_changes_no_bit(everything, tmp_path):
    everything.start(SEEDS)
    losses = everything.advance(both(7), falling(7))
    whole = everything.state()
    everything.start(SEEDS)
    everything.advance(both(3), falling(3))
    checkpoints.save(tmp_path / "run.npz", everything.state(), {})
    everything.start(Seeds(5, 6, 7, 8))
    everything.restore(checkpoints.load(tmp_path / "run.npz").arrays)
    parts = [everything.advance(both(1), falling(1, 3)), everything.advance(both(3), falling(3, 4))]
    assert all(np.array_equal(everything.state()[name], whole[name]) for name in whole)
    again = np.concatenate([each["generator"] for each in parts])
    np.testing.assert_array_equal(again, losses["generator"][3:])
    assert everything.traces == 1


def test_networks_of_ones_own_that_see_no_classes_are_refused_for_a_conditional_study():
    with pytest.raises(
        ValueError, match=r"of network\.name 'mixing\.py' see no classes; those of a PART that declares"
    ):
        model("mixing.py")


def test_every_control_moves_what_it_names(everything):
    def after(**changed):
        everything.start(SEEDS)
        everything.advance(both(2), {name: np.full(2, 0.5, np.float32) for name in CONTROLS} | changed)
        return everything.state()

    one = after()
    for name in CONTROLS:
        other = after(**{name: np.full(2, 0.25, np.float32)})
        moved = {key for key in one if not np.array_equal(one[key], other[key])}
        assert ("generator" in moved) == (name != "ema")
        assert "generator_average" in moved


def test_the_averages_control_is_its_decay_at_each_step(everything):
    everything.start(SEEDS)
    first = everything.state()["generator"]
    controls = {name: np.full(2, 0.9, np.float32) for name in CONTROLS} | {"ema": np.array([0.0, 0.75], np.float32)}
    everything.advance(both(1), {name: values[:1] for name, values in controls.items()})
    second = everything.state()["generator"]
    np.testing.assert_allclose(everything.state()["generator_average"], second, atol=1e-8)
    assert not np.array_equal(first, second)
    everything.advance(both(1), {name: values[1:] for name, values in controls.items()})
    expected = 0.75 * second + 0.25 * everything.state()["generator"]
    np.testing.assert_allclose(everything.state()["generator_average"], expected, atol=1e-7)


def test_controls_must_be_those_of_the_model(everything):
    with pytest.raises(ValueError, match=r"controls are none, but the model was built with beta2, ema, penalty"):
        everything.advance(both(1))
    with pytest.raises(ValueError, match=r"2 generator rates, .*1 beta2 values"):
        everything.advance(both(2), falling(1))
    with pytest.raises(ValueError, match=r"control is 'beta1', but allowed is one of: beta2"):
        model(controls=("beta1",))


def test_each_batch_comes_with_its_classes_and_half_of_it_mirrored(everything):
    everything.start(SEEDS)
    seen = []
    for step in range(6):
        real = everything._real(tf.constant(step, tf.int64), 1, 16).numpy()
        classes = everything._classes(tf.constant(step, tf.int64), 1, 16).numpy()
        np.testing.assert_array_equal(classes.sum(1), 1.0)
        left, right = (np.round(real[:, 0, place, 0] * 127.5 + 127.5) for place in (0, 7))
        np.testing.assert_array_equal(np.minimum(left, right), classes.argmax(1) * 40)
        seen += list(left == 255)
    assert 0.25 < np.mean(seen) < 0.75
    assert len(set(seen)) == 2


def test_generated_images_are_of_each_class_equally_often(everything):
    assert everything.latent == 7
    latents = np.random.default_rng(0).standard_normal((400, 7), dtype=np.float32)
    latents[:, :6] = latents[0, :6]
    everything.start(SEEDS)
    kinds_of = np.unique(everything.floats(latents).reshape(400, -1).round(4), axis=0, return_counts=True)[1]
    assert len(kinds_of) == CLASSES
    quartiles = np.array([-3.0, -0.6, 0.1, 0.8], np.float32)  # of a normal number: one of each class
    latents = np.column_stack([np.repeat(latents[:1, :6], 4, 0), quartiles])
    assert len(np.unique(everything.floats(latents).reshape(4, -1).round(4), axis=0)) == CLASSES


def test_the_generator_is_updated_after_the_discriminator_and_by_images_of_its_own():
    """With a discriminator that stands still, alternating updates differ from joint ones by their draws alone."""
    joint = model("dcgan", labelled=False)
    alternating = model("dcgan", labelled=False, updates="alternating")
    still = {"generator": np.full(1, 1e-3, np.float32), "discriminator": np.zeros(1, np.float32)}
    states = []
    for each in (joint, alternating):
        each.start(SEEDS)
        each.advance(still)
        states.append(each.state())
    assert np.array_equal(states[0]["discriminator"], states[1]["discriminator"])
    assert not np.array_equal(states[0]["generator"], states[1]["generator"])
    # the generator's loss is what the updated discriminator says of those images
    alternating.start(SEEDS)
    weights = alternating.weights("generator")
    losses = alternating.advance(both(1, 0.01))
    made = alternating._make(weights, alternating._draw_latents(tf.constant(0, tf.int64), 1), None, _call())
    logits = alternating.modules["discriminator"](made, alternating.weights("discriminator"), _call())
    np.testing.assert_allclose(losses["generator"][0], tf.reduce_mean(tf.nn.softplus(-logits)), rtol=1e-5)


def _call():
    return Call(training=True, seed=tf.constant([0, 0], tf.int64))


def test_a_penalty_needs_a_discriminator_that_looks_at_each_image_by_itself():
    with pytest.raises(
        ValueError, match=r"train\.penalties is 'r1', whose penalty needs a discriminator that looks at"
    ):
        model("mixing.py", labelled=False, penalties=(part("penalty", "r1"),))
