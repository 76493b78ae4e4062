"""Small studies for the tests of the plan and the engine."""

import numpy as np
import pytest

from harness import spec as specs
from harness.driver.queue import Queue

TEXT = """
name = "small"
seed = 7
[data]
name = "digits"
[train]
steps = 40
[evaluate]
features = "digits"
generated = 500
points = 2
[space]
peak = {{ low = 1e-4, high = 1e-2, log = true }}
[schedules.constant]
[schedules.linear]
[schedules.exponential]
final = {{ low = 0.01, high = 0.5, log = true }}
[search]
trials = {trials}
sampler = "{sampler}"
allocation = "{allocation}"
[select]
top = {top}
seeds = 2
[confirm]
seeds = {seeds}
{more}
"""


def make(*, trials=5, sampler="sobol", allocation="balanced", top=0, seeds=3, more=""):
    """A study with three schedules; `more` is appended to the file."""
    text = TEXT.format(trials=trials, sampler=sampler, allocation=allocation, top=top, seeds=seeds, more=more)
    return specs.parse(text, source="small.toml")


def trained(spec, score, *, shuffle=None, slots=3, outcomes=None):
    """Train the plan with `slots` runs at a time that end in random order; the runs made, and the queue at the end."""
    rng = np.random.default_rng(shuffle)
    queue, running, made = Queue(spec, dict(outcomes or {})), [], []
    while queue.ready or running:
        while queue.ready and len(running) < slots:
            running.append(queue.take())
        design = running.pop(int(rng.integers(len(running))) if shuffle is not None else 0)
        made.append(design)
        queue.ended(design.run, score(design))
    return made, queue


@pytest.fixture
def small():
    return make


@pytest.fixture
def steps_trained(monkeypatch):
    """A list of one number: the steps that were trained in this process."""
    from harness.worker.run import _Run

    steps, advance = [0], _Run._advance

    def counted(run, target):
        before = run.model.step
        advance(run, target)
        steps[0] += run.model.step - before

    monkeypatch.setattr(_Run, "_advance", counted)
    return steps
