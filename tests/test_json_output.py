"""What the commands print with `--json` is as docs/output.schema.json says, and it says all of it."""

import json
from pathlib import Path

import jsonschema
import pytest

from harness import json_output, report
from harness.driver.looks import Looks
from harness.driver.noise import Noise
from harness.driver.preview import Preview
from harness.driver.prospect import Prospect
from harness.driver.queue import Queue
from harness.spec import Planned
from tests.printed import check
from tests.report.example import replicated, results
from tests.study.conftest import make

ROOT = Path(__file__).parents[1]
COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("*/study.json"))
SANITY = {"damage": "blur", "value": 2.0, "floor": 1.0, "spread": 0.1, "seen": True, "images": 100}


def test_the_published_file_is_the_schema_and_a_sound_one():
    assert json.loads((ROOT / "docs" / "output.schema.json").read_text(encoding="utf-8")) == json_output.schema()
    jsonschema.Draft202012Validator.check_schema(json_output.schema())


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_committed_results_are_summed_up_as_the_schema_says(folder):
    told = report.headline(folder)
    check("Study", told)
    jsonschema.validate([told], json_output.schema())


def test_studies_that_repeat_their_tuning_too(tmp_path):
    check("Study", report.headline(replicated(tmp_path / "two", looks=(8, 12))))
    check("Study", report.headline(results(tmp_path / "none", seeds=0)))


@pytest.mark.parametrize("more", ["", "[replicates]\nmin = 8\nmax = 16\nevery = 4\n"])
def test_dry_runs(more):
    spec = make(more=more, trials=1, seeds=1)
    noise = Noise(Path("x"), 0.2, 3.0, 8, "constant", "absolute", "")
    looks = Looks(Queue(spec, {}, Planned.of(spec)).confirmed) if more else None
    facts = {
        "data": {"name": "digits", "train": 1438, "held_out": 359, "shape": [8, 8, 1]},
        "features": {"name": "digits", "dimensions": 64},
        "floor": {"fid_digits_500": 0.1},
        "sanity": [SANITY],
    }
    probe = {"step": 0.01, "evaluation": 0.5, "set_up": 3.0, "grid": 1000.0, "checkpoint": 1e5}
    for prospect in (Prospect(spec), Prospect(spec, noise)):
        check("DryRun", Preview(spec, {}, facts, probe, 2, prospect, looks).values())
