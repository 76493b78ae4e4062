"""What training and sampling consist of can run on a GPU, as far as TensorFlow's registry of kernels says.

Its wheel for Linux knows the kernels of GPUs on machines without one. An operation without any is placed on the processor,
and what it reads and makes is copied over at every step; nothing else says so.
"""

import functools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from benchmarks import ours
from harness import kinds
from harness.spec.models import TrainSpec

SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3))
SMALL = {  # of the networks that take minutes to trace: each kind of block once
    "unet_adm": {"width": 8, "blocks": 1, "attention": 4, "heads": 2},
    "ncsnpp": {"width": 8, "levels": 2, "blocks": 1, "attention": 4, "style": 32, "time": 32, "discriminator_width": 8},
}


def nodes(function):
    """All operations of a traced function, those of its loops and branches among them."""
    graph = function.graph.as_graph_def()
    return [*graph.node, *(node for each in graph.library.function for node in each.node_def)]


@functools.cache
def on_gpu(name):
    """For each kernel of an operation on a GPU: which types it takes, by attribute."""
    found = [
        each for each in kernels.get_registered_kernels_for_op(name).kernel if each.device_type in ("GPU", "DEFAULT")
    ]
    return [{rule.name: set(rule.allowed_values.list.type) for rule in each.constraint} for each in found]


def left_behind(function):
    """The operations without a kernel for their types, with these; those that are no kernels' work have none anywhere."""
    faults = Counter()
    for node in nodes(function):
        types = {name: value.type for name, value in node.attr.items() if value.type}
        takes = [all(types.get(name) in (None, *allowed) for name, allowed in each.items()) for each in on_gpu(node.op)]
        known = kernels.get_registered_kernels_for_op(node.op).kernel
        if known and not any(takes):
            words = ", ".join(f"{name} {tf.as_dtype(each).name}" for name, each in sorted(types.items()))
            faults[f"{node.op} of {words} ({node.name})"] += 1
    return list(faults)


def model(network="dcgan", **train):
    """The model of a built-in network on the first images that it fits."""
    part = kinds.find("network", network, key="network.name")
    shape = next(shape for shape in SHAPES if part.fits(shape) is None)
    images = np.zeros((16, *shape), np.uint8)
    return ours.model(network, TrainSpec(steps=1, batch=4, **train), images, kind=part.model, **SMALL.get(network, {}))


def faults(made):
    """What of the training loop and of sampling has no kernel on a GPU."""
    return left_behind(made._chunk.get_concrete_function()) + left_behind(made._sample.get_concrete_function())


@pytest.mark.slow
@pytest.mark.parametrize("network", kinds.parts("network"))
def test_every_network_trains_and_samples_on_a_gpu(network):
    for precision in ("mixed_float16",) if network in SMALL else ("float32", "mixed_float16"):
        assert faults(model(network, precision=precision)) == []


@pytest.mark.parametrize(
    "train",
    [
        {"precision": "mixed_bfloat16"},
        {"flip": True, "updates": "alternating", "ema": (0.9, 0.99)},
        *({"optimizer": {"name": name}} for name in kinds.parts("optimizer")),
        *({"loss": {"name": name}} for name in kinds.parts("loss")),
        *({"penalties": ({"name": name},)} for name in kinds.parts("penalty")),
        *({"augment": ({"name": name},)} for name in kinds.parts("augmentation")),
    ],
    ids=str,
)
def test_every_loss_penalty_augmentation_and_optimizer_does(train):
    made = model(**train)
    assert faults(made) == []


def test_training_images_lie_where_they_are_gathered():
    """TensorFlow keeps int32 in host memory, also where a kernel for it exists on a GPU."""
    gathered = [node for node in nodes(model()._chunk.get_concrete_function()) if node.op == "GatherV2"]
    assert [tf.as_dtype(node.attr["Tparams"].type).name for node in gathered] == ["int64"]


def test_an_operation_without_a_kernel_is_named_with_its_types():
    @tf.function
    def gather(images, places):
        return tf.gather(images, places)

    traced = gather.get_concrete_function(tf.TensorSpec((4, 4), tf.uint8), tf.TensorSpec((2,), tf.int32))
    (fault,) = left_behind(traced)
    assert fault.startswith("GatherV2 of Taxis int32, Tindices int32, Tparams uint8 (")
