"""The examples in the docstrings of schedules, statistics, studies in Python and the report's numbers and sentences are true."""

import doctest
import importlib
import pkgutil

import pytest

import harness.report.numbers
import harness.report.sentences
import harness.schedules
import harness.stats
import harness.study

PARTS = (harness.schedules, harness.stats, harness.report.numbers, harness.report.sentences, harness.study)
MODULES = [part.__name__ for part in PARTS] + [
    f"{part.__name__}.{module.name}" for part in PARTS for module in pkgutil.iter_modules(getattr(part, "__path__", ()))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_statistics_have_examples():
    tried = sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES if "stats" in name)
    assert tried > 10
