"""Small trainers, compiled once for all tests."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from harness import kinds
from harness.worker import device

device.configure(threads=1, gpu=None)


def settings(**changes):
    """Settings of a trainer, with the defaults of a study file."""
    values = {
        "batch": 16, "optimizer": "adam", "beta1": 0.5, "beta2": 0.999, "momentum": 0.0, "discriminator_steps": 1,
        "loss": "non_saturating", "averages": (("ema", 0.9),), "ema_ramp": 10.0, "precision": "float32", "xla": False, "penalties": (), "augment": (),
        "flip": False, "updates": "joint", "generator_batch": None, "conditional": False,
    }  # fmt: skip
    merged = {**values, **changes}
    merged |= {"loss": part("loss", merged["loss"]), "optimizer": optimizer(merged["optimizer"])}
    return SimpleNamespace(**{**merged, "averages": dict(merged["averages"])})


def optimizer(given):
    """An optimizer by name, or by name and settings."""
    name, values = given if isinstance(given, tuple) else (given, {})
    return part("optimizer", name, **values)


def part(role, name, **values):
    """A part's name and settings, as a study file's table has them."""
    return SimpleNamespace(name=name, settings=kinds.find(role, name, key=role).set(values))


@functools.cache
def trainer(size=8, channels=1, network="dcgan", **changes):
    """A trainer on random images."""
    from harness.models.gan.training import build

    images = np.random.default_rng(0).integers(0, 256, (64, size, size, channels), dtype=np.uint8)
    latent = 100 if network == "article" else 8
    width = {} if network == "article" else {"width": 4}
    return build(part("network", network, latent=latent, **width), settings(**changes), images)


@pytest.fixture
def make():
    return trainer


@pytest.fixture
def fresh():
    """A trainer that shares nothing with the others."""
    return trainer.__wrapped__
