"""Studies of published settings: complete, plannable, and trainable with narrow networks."""

from pathlib import Path

import numpy as np
import pytest

from harness.plan import stages
from harness.plan.design import design
from harness.seeds import Seeds
from harness.spec import loading
from harness.worker import device

FOLDER = Path(__file__).parents[2] / "studies" / "published"
STUDIES = sorted(path.stem for path in FOLDER.glob("*.toml"))
NARROW = {
    "width": 8,
    "critic_width": 8,
    "discriminator_width": 8,
    "levels": 1,
    "blocks": 1,
    "style": 8,
    "mapping": 0,
    "time": 8,
}

device.configure(threads=1, gpu=None)


def study(name):
    return loading.load(FOLDER / f"{name}.toml")


def test_the_settings_that_claims_about_decay_were_made_in_are_there():
    wanted = {"sngan_resnet32_mimicry", "sngan_resnet32_const_ema", "dcgan_studiogan", "wgan_gp_ttur", "r3gan_cosine"}
    assert wanted | {"flow_cifar10", "ddgan"} <= set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_each_says_what_is_published_and_compares_schedules_fairly(name):
    spec = study(name)
    said = spec.published
    for key in ("source", "figure", "schedule", "average", "step", "protocol", "comparison"):
        assert getattr(said, key), key
    assert said.gpu_hours > 0
    assert spec.name == name
    assert len(spec.schedules) > 1
    counts = stages.size(spec)
    assert {len(set(by_schedule.values())) for by_schedule in counts.values()} == {1}
    assert sum(counts["confirm"].values()) >= 3 * len(spec.schedules)


def narrowed(spec):
    """The study's model with few steps from noise to images, its networks narrow, its batches small."""
    network = spec.network
    named = {key: value for key, value in NARROW.items() if key in type(network).model_fields}
    few = {"steps": 2} if spec.model.name == "flow" else {}
    small = {"batch": 4, "discriminator_steps": min(spec.train.discriminator_steps, 2)}
    small |= {"generator_batch": spec.train.generator_batch and 6}
    changed = (spec.model.model_copy(update=few), network.model_copy(update=named), spec.train.model_copy(update=small))
    return spec.model_copy(update=dict(zip(("model", "network", "train"), changed, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_each_trains_with_narrow_networks(name):
    spec = narrowed(study(name))
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    further = {"labels": np.arange(32, dtype=np.int64) % 10} if spec.train.conditional else {}
    further |= {"controls": spec.controls} if spec.controls else {}
    model = spec.model.part.builder(spec.network, spec.train, images, spec.model.settings, **further)
    label = next(label for label in spec.schedules if label != spec.question.baseline)
    run = design(spec, phase="confirm", schedule=label, point=0, repetition=0, params=spec.fixed(label))
    rates = {name: values[:2] for name, values in run.rates(spec, model.networks).items()}
    controls = {name: values[:2] for name, values in run.controls(spec).items()}
    model.start(Seeds.of(0, "test", 0))
    losses = model.advance(rates, controls)
    assert set(losses) == set(model.losses)
    assert all(np.isfinite(values).all() and len(values) == 2 for values in losses.values())
    latents = np.random.default_rng(1).standard_normal((2, model.latent), dtype=np.float32)
    for weights in ("raw", "ema"):
        assert model.generate(latents, weights=weights).shape == (2, 32, 32, 3)
    assert model.traces == 1
