"""Small studies for the tests of the plan and the engine."""

import pytest

from harness import spec as specs

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


@pytest.fixture
def small():
    return make
