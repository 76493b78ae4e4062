"""The trainer: one trace, bit-exact continuation, common random numbers, divergence named at its step."""

import numpy as np
import pytest

from harness.models import checkpoints
from harness.models.model import Diverged
from harness.models.training import evaluation_latents
from harness.seeds import Seeds

SEEDS = Seeds(1, 2, 3, 4)


def rates(steps, value=1e-3):
    return np.full(steps, value, np.float32)


def both(generator, discriminator=None):
    return {"generator": generator, "discriminator": generator if discriminator is None else discriminator}


def run(trainer, parts, seeds=SEEDS):
    trainer.start(seeds)
    for steps in parts:
        trainer.advance(both(rates(steps)))
    return trainer.state()


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


CASES = {
    "adam": {},
    "article": {"network": "article", "size": 32, "channels": 3, "batch": 4},
    "critics": {"discriminator_steps": 3, "loss": "hinge", "optimizer": "rmsprop", "momentum": 0.5},
    "penalty": {"discriminator_steps": 2, "loss": "wasserstein_gp", "optimizer": "sgd", "momentum": 0.9},
    "compiled": {"xla": True},
}


@pytest.mark.parametrize("case", CASES)
def test_how_steps_are_cut_and_where_a_run_is_resumed_changes_no_bit(case, make, fresh, tmp_path):
    trainer = make(**CASES[case])
    steps = 6 if case == "article" else 20
    whole = run(trainer, [steps])
    assert equal(run(trainer, [1] * steps), whole)
    first = run(trainer, [steps // 3])
    checkpoints.save(tmp_path / "run.npz", first, {"at": steps // 3})
    other = fresh(**CASES[case])
    other.restore(checkpoints.load(tmp_path / "run.npz").arrays)
    other.advance(both(rates(steps - steps // 3)))
    assert equal(other.state(), whole)


@pytest.mark.parametrize("case", ["adam", "critics", "compiled"])
def test_every_steps_losses_come_back_the_same_however_steps_are_cut(case, make):
    trainer = make(**CASES[case])

    def losses(parts):
        trainer.start(SEEDS)
        found = [trainer.advance(both(rates(steps))) for steps in parts]
        assert [len(each["generator"]) for each in found] == parts
        return [np.concatenate([each[name] for each in found]) for name in ("generator", "discriminator")]

    whole, parts = losses([12]), losses([1, 0, 4, 7])
    assert whole[0].dtype == np.float32
    np.testing.assert_array_equal(parts, whole)
    assert len(np.unique(whole[0])) == 12


def test_schedules_that_agree_for_k_steps_have_equal_weights_at_step_k(make):
    trainer = make()
    same = np.linspace(1e-3, 5e-4, 12, dtype=np.float32)
    trainer.start(SEEDS)
    trainer.advance(both(same))
    one = trainer.state()
    trainer.advance(both(rates(1, 1e-4)))
    one_later = trainer.state()
    trainer.start(SEEDS)
    trainer.advance(both(np.append(same, np.float32(9e-4))))
    two_later = trainer.state()
    trainer.start(SEEDS)
    trainer.advance(both(same))
    assert equal(trainer.state(), one)
    assert not np.array_equal(one_later["generator"], two_later["generator"])


@pytest.mark.parametrize("role", ["weights", "data", "latents"])
def test_every_seed_matters_and_only_through_itself(role, make):
    trainer = make()
    base = run(trainer, [3])
    other = run(trainer, [3], Seeds(**{**vars(SEEDS), role: 99}))
    assert not np.array_equal(base["generator"], other["generator"])
    assert equal(run(trainer, [3]), base)


def test_one_trace_serves_all_runs_rates_and_chunks(make):
    trainer = make(loss="least_squares")
    before = trainer.state()
    trainer.prepare()
    assert equal(trainer.state(), before)
    assert trainer.traces == 1
    for parts in ([1, 2], [5], [7, 1]):
        run(trainer, parts)
    assert trainer.traces == 1


def test_a_rate_of_zero_leaves_weights_and_moves_only_statistics(make):
    trainer = make()
    trainer.start(SEEDS)
    before = trainer.state()
    trainer.advance(both(rates(5, 0.0)))
    after = trainer.state()
    assert np.array_equal(before["generator"], after["generator"])
    assert np.array_equal(before["discriminator"], after["discriminator"])
    assert not np.array_equal(before["generator_moving"], after["generator_moving"])


def test_a_generator_rate_of_zero_trains_the_discriminator_only(make):
    trainer = make()
    trainer.start(SEEDS)
    before = trainer.state()
    trainer.advance(both(rates(3, 0.0), rates(3)))
    assert np.array_equal(before["generator"], trainer.state()["generator"])
    assert not np.array_equal(before["discriminator"], trainer.state()["discriminator"])


def test_divergence_is_named_at_the_same_step_however_steps_are_cut(make):
    trainer = make(optimizer="sgd")
    table = rates(30, 1e-3)
    table[10:] = np.float32(1e30)
    seen = set()
    for parts in ([30], [7, 23], [11, 19], [1] * 30):
        trainer.start(SEEDS)
        sound = []
        with pytest.raises(Diverged) as caught:
            for first, steps in zip(np.cumsum([0, *parts[:-1]]), parts, strict=True):
                part = table[first : first + steps]
                sound += trainer.advance(both(part))["generator"].tolist()
        sound += caught.value.losses["generator"].tolist()
        assert len(sound) == caught.value.step - 1
        assert np.isfinite(sound).all()
        seen.add((caught.value.step, caught.value.reason, tuple(sound)))
    assert len(seen) == 1
    step, reason, _ = seen.pop()
    assert step in (11, 12)
    assert "finite" in reason or "loss of the" in reason


def test_a_generator_that_makes_one_image_is_diverged(make):
    trainer = make()
    trainer.start(SEEDS)
    state = trainer.state()
    trainer.restore({**state, "generator": np.zeros_like(state["generator"])})
    with pytest.raises(Diverged, match="all alike"):
        trainer.generate(evaluation_latents(0, 10, 8), weights="raw")


@pytest.mark.parametrize("ramp", [10.0, 2.0, 1.0])
def test_average_follows_the_documented_recursion(make, ramp):
    trainer = make(averages=(("ema", 0.9),), ema_ramp=ramp)
    trainer.start(SEEDS)
    average = trainer.state()["generator"].astype(np.float64)
    for step in range(15):
        trainer.advance(both(rates(1)))
        decay = min(0.9, (1 + step) / (ramp + step))
        average = decay * average + (1 - decay) * trainer.state()["generator"]
    np.testing.assert_allclose(trainer.state()["generator_average"], average, rtol=1e-4, atol=1e-6)


def test_several_averages_are_each_what_it_is_alone(make):
    decays = {"ema": 0.9, "ema0.99": 0.99, "ema0.5": 0.5}
    together = make(averages=tuple(decays.items()))
    run(together, [15])
    state, latents = together.state(), evaluation_latents(7, 20, 8)
    for weights, decay in decays.items():
        alone = make(averages=(("ema", decay),))
        run(alone, [6, 9])
        for name, array in alone.state().items():
            of = name.replace("_average", f"_average{weights.removeprefix('ema')}")
            np.testing.assert_array_equal(state[of], array)
        images = together.generate(latents, weights=weights)
        np.testing.assert_array_equal(images, alone.generate(latents, weights="ema"))
    with pytest.raises(ValueError, match=r"weights is 'ema0.7', but allowed is one of: raw, ema, ema0.99, ema0.5"):
        together.generate(latents, weights="ema0.7")


def test_images_are_bytes_and_do_not_depend_on_how_many_are_made(make):
    trainer = make()
    run(trainer, [5])
    latents = evaluation_latents(7, 700, 8)
    images = trainer.generate(latents, weights="ema")
    assert images.dtype == np.uint8
    assert images.shape == (700, 8, 8, 1)
    np.testing.assert_array_equal(trainer.generate(latents[:37], weights="ema"), images[:37])


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (12, 3), (16, 1), (28, 1), (32, 3), (64, 3)])
def test_dcgan_sizes_itself(size, channels, fresh):
    trainer = fresh(size=size, channels=channels, batch=2)
    run(trainer, [1])
    assert trainer.generate(evaluation_latents(0, 2, 8), weights="ema").shape == (2, size, size, channels)


@pytest.mark.parametrize(("network", "size"), [("dcgan", 10), ("dcgan", 128), ("article", 28)])
def test_an_image_shape_that_a_network_cannot_make_is_refused(network, size, fresh):
    with pytest.raises(ValueError, match=f"{network}.*{size}x{size}"):
        fresh(network=network, size=size, channels=1)


def test_article_network_has_the_articles_layers(fresh):
    trainer = fresh(network="article", size=32, channels=3, batch=2)
    dense = 100 * 256 + 256 + 256 * 512 + 512 + 512 * 1024 + 1024 + 1024 * 4096 + 4096
    convolutions = 9 * 256 * 128 + 128 + 9 * 128 * 64 + 64 + 9 * 64 * 3 + 3
    scales = 2 * (256 + 512 + 1024 + 4096 + 128 + 64)
    assert trainer.parameters() == {
        "generator": dense + convolutions + scales,
        "discriminator": 9 * 3 * 64 + 64 + 9 * 64 * 128 + 128 + 8 * 8 * 128 + 1,
    }


def test_a_checkpoint_of_the_first_release_is_continued(make):
    trainer = make()
    whole = run(trainer, [4])
    first = run(trainer, [2])
    names = {"generator_average": "average", "generator_average_moving": "average_moving"}
    trainer.restore({names.get(name, name): array for name, array in first.items()})
    trainer.advance(both(rates(2)))
    assert equal(trainer.state(), whole)


def test_rates_of_other_networks_are_refused(make):
    trainer = make()
    trainer.start(SEEDS)
    with pytest.raises(ValueError, match="rates are of generator, but the networks are generator, discriminator"):
        trainer.advance({"generator": rates(2)})
    with pytest.raises(ValueError, match="2 generator rates, but 3 discriminator rates"):
        trainer.advance(both(rates(2), rates(3)))
    with pytest.raises(ValueError, match="weights is 'average', but allowed is one of: raw, ema"):
        trainer.generate(evaluation_latents(0, 2, 8), weights="average")


def test_restoring_another_networks_state_is_refused(make):
    trainer = make()
    with pytest.raises(ValueError, match="'generator' is missing"):
        trainer.restore({})
    with pytest.raises(ValueError, match="'generator' is of shape"):
        trainer.restore({**trainer.state(), "generator": np.zeros(3, np.float32)})


@pytest.mark.parametrize("loss", ["non_saturating", "wasserstein_gp"])
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_float32_weights_and_trains(precision, loss, fresh):
    trainer = fresh(precision=precision, loss=loss)
    state = run(trainer, [3])
    assert all(value.dtype in (np.float32, np.int64) for value in state.values())
    exact = run(fresh(loss=loss), [3])
    assert np.abs(state["generator"] - exact["generator"]).max() < 0.05
