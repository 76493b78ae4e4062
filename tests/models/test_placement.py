"""What training, sampling and feature networks consist of can run on a GPU, as far as TensorFlow's registry of kernels says.

An operation without a kernel is placed on the processor, and what it reads and makes is copied over at every step; nothing
else says so. Sampling is one function, whichever weights it is given, those of averages too. Metrics themselves are computed
by NumPy and scikit-learn, on the processor.
"""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import ours
from harness import kinds, lazy
from harness.metrics.features import dinov2, inception, inception_architecture
from harness.metrics.own import compact
from harness.metrics.own.compact_file import Compact
from harness.models import operations
from harness.models.nn.draws import Draw
from tests.models.conftest import part

# A graph of mixed_float16 holds what those of float32 and mixed_bfloat16 do, with another type in half of its places.
PRECISIONS = (tf.float32, tf.bfloat16)


@pytest.fixture(autouse=True)
def a_gpu(monkeypatch):
    """Networks take the forms that they have on a GPU."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [SimpleNamespace(device_type="GPU")])


def faults(made, also=()):
    """What of the training loop and of sampling has no kernel on a GPU."""
    loops = (made._chunk, made._sample)
    return [fault for loop in loops for fault in operations.without_kernel(loop.get_concrete_function(), also=also)]


@pytest.mark.slow
@pytest.mark.parametrize("network", kinds.parts("network"))
def test_every_network_trains_and_samples_on_a_gpu_in_every_precision(network):
    assert faults(ours.smallest(network, precision="mixed_float16"), also=PRECISIONS) == []


@pytest.mark.parametrize(
    "train",
    [
        {"precision": "float32"},
        {"precision": "mixed_bfloat16"},
        {
            "precision": "mixed_float16",
            "flip": True,
            "updates": "alternating",
            "ema": (0.9, 0.99),
            "penalties": [{"name": name, "every": 2} for name in kinds.parts("penalty")],
            "augment": [{"name": name} for name in kinds.parts("augmentation")],
        },
    ],
    ids=lambda train: train["precision"],
)
def test_every_penalty_augmentation_and_form_of_a_step_does(train):
    also = PRECISIONS if train["precision"] == "mixed_float16" else ()
    assert faults(ours.smallest(**train), also=also) == []


@pytest.mark.parametrize("name", kinds.parts("loss"))
def test_every_loss_does(name):
    loss = kinds.find("loss", name, key="train.loss").builder(part("loss", name).settings)

    @tf.function(autograph=False)
    def slopes(real, fake, images, seed):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch((real, fake))
            values = (loss.discriminator(real, fake), loss.generator(real, fake))
        penalty = loss.penalty(lambda x: tf.reduce_sum(tf.square(x), (1, 2, 3)), images, 0.5 * images, Draw(seed))
        return [tape.gradient(value, (real, fake)) for value in values], penalty

    logits = tf.TensorSpec((4,), tf.float32)
    images, seed = tf.TensorSpec((4, 8, 8, 1), tf.float32), tf.TensorSpec((2,), tf.int64)
    assert operations.without_kernel(slopes.get_concrete_function(logits, logits, images, seed)) == []


@pytest.mark.parametrize("name", kinds.parts("optimizer"))
def test_every_optimizer_does(name):
    settings = part("optimizer", name, clip_norm=1.0).settings
    moments = SimpleNamespace(beta1=0.5, beta2=0.999, momentum=0.5)
    optimizer = kinds.find("optimizer", name, key="train.optimizer").builder(settings, moments)
    weights, *slots = (
        tf.Variable(each) for each in (np.ones(4, np.float32), *optimizer.initial(np.ones(4, np.float32)))
    )

    @tf.function(autograph=False)
    def update(gradient, rate, count, decay):
        optimizer.update(weights, gradient, slots, rate, count, {"weight_decay": decay, "beta2": decay})

    scalar = tf.TensorSpec((), tf.float32)
    traced = update.get_concrete_function(tf.TensorSpec((4,)), scalar, tf.TensorSpec((), tf.int64), scalar)
    assert operations.without_kernel(traced) == []


def _classifier(name):
    return kinds.find("features", name, key="").builder()


def _compact():
    architecture = compact.Architecture(side=8, channels=1, width=4, outputs=10)
    arrays = {name: np.zeros(shape, np.float32) for name, shape in architecture.shapes().items()}
    return Compact("own", SimpleNamespace(architecture=architecture), arrays, sha256="")


def _dinov2():
    small = dinov2.Architecture(width=8, depth=1, heads=2)
    weights = {name: np.ones(shape, np.float32) for name, shape in small.shapes().items()}
    return dinov2.DinoV2(weights, small, name="dinov2", resize=lambda image: image, sha256="")


def _inception():
    weights = {name: np.ones(shape, np.float32) for name, shape in inception_architecture.shapes().items()}
    return inception.Inception(weights, sha256="")


NETWORKS = {
    "digits": lambda: _classifier("digits"),
    "fashion_mnist": lambda: _classifier("fashion_mnist"),
    "cifar10": lambda: _classifier("cifar10"),
    "compact": _compact,
    "dinov2": _dinov2,
    "inception": _inception,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_feature_network_does(name, monkeypatch):
    made, function = [], tf.function
    kept = lambda *given, **named: made.append(function(*given, **named)) or made[-1]  # noqa: E731
    monkeypatch.setattr(lazy.tf, "function", kept, raising=False)
    NETWORKS[name]()
    assert made
    assert [fault for each in made for fault in operations.without_kernel(each.get_concrete_function())] == []


def test_no_feature_network_is_forgotten():
    shipped = [
        name for name, part in kinds.parts("features").items() if kinds.shipped(part)
    ]  # other tests add their own
    assert {name.partition("_")[0] if name.startswith("dinov2") else name for name in shipped} <= {*NETWORKS}


def test_training_images_lie_where_they_are_gathered():
    """TensorFlow keeps int32 in host memory, also where a kernel for it exists on a GPU."""
    traced = ours.smallest()._chunk.get_concrete_function()
    gathered = [each.node_def for each in operations.all_of(traced) if each.type == "GatherV2"]
    assert [tf.as_dtype(node.attr["Tparams"].type).name for node in gathered] == ["int64"]


def test_an_operation_without_a_kernel_is_named_with_its_types_and_the_line_that_made_it():
    def gathered(images, places):
        return tf.gather(images, places)

    @tf.function(autograph=False)
    def loop(images, places):
        return tf.while_loop(lambda x: tf.reduce_all(x > 0), lambda x: (gathered(x, places),), (images,))

    traced = loop.get_concrete_function(tf.TensorSpec((4, 4), tf.uint8), tf.TensorSpec((4,), tf.int32))
    faults = operations.without_kernel(traced)
    line = inspect.getsourcelines(gathered)[1] + 1
    named = f"GatherV2 of Taxis int32, Tindices int32, Tparams uint8, made in test_placement.py, line {line} ("
    assert any(fault.startswith(named) for fault in faults)
    assert faults == operations.without_kernel(traced, also=(tf.bfloat16,))


def test_a_kernel_is_missed_in_the_precision_that_lacks_it():
    found = tf.function(tf.linalg.inv).get_concrete_function(tf.TensorSpec((2, 2), tf.float16))
    single = tf.function(tf.linalg.inv).get_concrete_function(tf.TensorSpec((2, 2), tf.float32))
    assert operations.without_kernel(single) == []
    (fault,) = operations.without_kernel(found, also=(tf.float32,))
    assert fault.startswith("MatrixInverse of T float16")
