"""One run: its trace, times and record do not depend on where it was cut, stopped or resumed."""

import dataclasses
import json

import numpy as np
import pytest

from harness.models import checkpoints
from harness.results import trace
from harness.worker import device
from harness.worker.energy import Counter, Meter
from harness.worker.loss_trace import POINTS, LossTrace, even_steps
from harness.worker.run import Control, Interrupted, train_run
from tests.report.example import pair
from tests.study.conftest import make

device.configure(threads=1, gpu=None)

PAIR = ("generator", "discriminator")
MEASURED = ("seconds", "seconds_per_step", "seconds_evaluation", "started", "ended", "peak_memory_mb")


def cut(values, parts):
    """Losses of chunks of `parts` steps."""
    ends = np.cumsum(parts)
    return [
        pair(values[0][end - part : end], values[1][end - part : end]) for part, end in zip(parts, ends, strict=True)
    ]


def test_a_trace_holds_the_means_between_evenly_spaced_steps_wherever_chunks_end_and_a_run_is_resumed():
    rng = np.random.default_rng(0)
    losses = rng.normal(1, 3, (2, 1003)).astype(np.float32)
    rates = np.linspace(1e-3, 0, 1003, dtype=np.float32)

    def traced(parts, *, resumed):
        made = LossTrace(pair(rates, rates / 2), PAIR, even_steps(1003, POINTS))
        for part in cut(losses, parts):
            made.add(part)
            if resumed:
                stored, made = (
                    json.loads(json.dumps(made.to_json())),
                    LossTrace(pair(rates, rates / 2), PAIR, even_steps(1003, POINTS)),
                )
                made.resume(stored)
        made.end()
        return made.packed()

    whole = traced([1003], resumed=False)
    assert traced([1] * 1003, resumed=True) == whole
    assert traced([4, 496, 503], resumed=True) == whole
    points = trace.unpack(whole)
    assert len(points) == POINTS
    steps = [0, *(point.step for point in points)]
    assert set(np.diff(steps)) == {5, 6}
    assert steps[-1] == 1003
    for before, point in zip(steps, points, strict=False):
        mean = losses[:, before : point.step].astype(np.float64).mean(axis=1)
        assert tuple(point.losses.values()) == pytest.approx(tuple(mean), rel=1e-5)
        assert np.float32(point.rates["generator"]) == rates[point.step - 1]
        assert np.float32(point.rates["discriminator"]) == (rates / 2)[point.step - 1]


def test_a_short_run_has_every_step_and_a_diverged_one_ends_at_its_last_sound_step():
    assert even_steps(40, POINTS) == tuple(range(1, 41))
    rates = np.ones(2000, np.float32)
    made = LossTrace(pair(rates, rates), PAIR, even_steps(2000, POINTS))
    made.add(pair(np.arange(13, dtype=np.float32), np.ones(13, np.float32)))
    made.end()
    assert [(point.step, point.losses["generator"]) for point in trace.unpack(made.packed())] == [(10, 4.5), (13, 11.0)]


@pytest.fixture(scope="module")
def shop():
    from harness.worker import context

    spec = make(more="[safety]\ncheckpoint_seconds = 1000.0\n")
    train = spec.train.model_copy(update={"steps": 450, "batch": 8})
    evaluate = spec.evaluate.model_copy(update={"generated": 100})
    spec = spec.model_copy(
        update={"train": train, "evaluate": evaluate, "network": spec.network.model_copy(update={"width": 4})}
    )
    return context.build(spec, cache=None, commit="c")


def design(shop, run="search-linear-p001-r001"):
    from harness.driver.queue import Queue

    return next(each for each in Queue(shop.spec, {}).ready if each.run == run)


def steady(record):
    curve = tuple(dataclasses.replace(each, seconds=0.0) for each in record.curve)
    return dataclasses.replace(record, curve=curve, **dict.fromkeys(MEASURED, 0.0))


def test_a_run_stopped_at_any_place_ends_in_the_same_record_and_adds_its_times_and_energy_up(
    shop, tmp_path, steps_trained
):
    def metered(*parts):  # 4 joules a step, for two workers
        return Meter([Counter(part, lambda: 4.0 * steps_trained[0]) for part in parts], dict.fromkeys(parts, 2))

    wanted = train_run(design(shop), shop, Control()).record
    assert len(trace.unpack(wanted.trace)) == POINTS
    assert wanted.seconds_per_step * 450 + wanted.seconds_evaluation <= wanted.seconds
    assert wanted.seconds_evaluation > 0
    assert wanted.started + wanted.seconds <= wanted.ended + 0.01
    stops, spent = 0, []
    shop.chunk = 37  # grows as steps are fast, so stops fall between trace points, and on evaluations
    while True:
        # One part can always be read, one not from the start, one not in the second process.
        parts = {"processor", "late", "lost"} - ({"late"} if stops == 0 else {"lost"} if stops == 1 else set())
        control = Control(checkpoint=tmp_path / "run.npz", stop=lambda: True, meter=metered(*parts))
        try:
            found = train_run(design(shop), shop, control).record
            break
        except Interrupted:
            stops += 1
            spent.append(checkpoints.read(tmp_path / "run.npz").meta)
    assert stops > 2
    assert steady(dataclasses.replace(found, joules={})) == steady(wanted)
    assert found.joules == {"processor": 2.0 * 450}
    assert found.started == spent[0]["started"] < found.ended
    assert [each["seconds"] for each in spent] == sorted(each["seconds"] for each in spent)
    assert spent[-1]["spent"]["training"] > spent[0]["spent"]["training"] > 0
    # Seconds per step are the quotient: times the steps again, they may differ in the last bit.
    assert found.seconds_per_step * 450 >= spent[-1]["spent"]["training"] * (1 - 1e-12)


def test_a_checkpoint_from_before_energy_was_metered_is_gone_on_with(shop, tmp_path):
    path, meters = tmp_path / "run.npz", [Meter([Counter("processor", lambda: 0.0)]) for _ in range(2)]
    with pytest.raises(Interrupted):
        train_run(design(shop), shop, Control(checkpoint=path, stop=lambda: True, meter=meters[0]))
    stored = checkpoints.read(path)
    assert stored.meta.pop("joules") == {"processor": 0.0}
    checkpoints.save(path, stored.arrays, {**stored.meta, "started": 5.0})
    found = train_run(design(shop), shop, Control(checkpoint=path, meter=meters[1])).record
    assert (found.started, found.joules) == (5.0, {})


@pytest.mark.parametrize("change", [{"numerics": {"onednn": "other"}}, {"trace": None}])
def test_a_checkpoint_of_other_settings_or_of_an_earlier_version_is_begun_anew(change, shop, tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(Interrupted):
        train_run(design(shop), shop, Control(checkpoint=path, stop=lambda: True))
    stored = checkpoints.read(path)
    meta = {name: value for name, value in {**stored.meta, **change, "started": 5.0}.items() if value is not None}
    checkpoints.save(path, stored.arrays, meta)
    assert train_run(design(shop), shop, Control(checkpoint=path)).record.started > 5.0


def test_a_diverged_run_has_its_trace_up_to_the_divergence(shop):
    def lost(parts):
        mine = design(shop)
        high = dataclasses.replace(mine, params=tuple({**mine.values, "peak": 1e30}.items()))
        shop.chunk = parts
        return train_run(high, shop, Control()).record

    record = lost(8)
    assert record.status == "diverged"
    assert [point.step for point in trace.unpack(record.trace)] == list(range(1, record.last_step)) != []
    assert steady(lost(1)) == steady(record)
