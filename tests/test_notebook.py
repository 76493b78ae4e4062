"""The example notebook: run in a real kernel, and what is kept of it is what running it shows."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "examples" / "study.ipynb"


def outputs(path):
    """The outputs of each code cell."""
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_the_notebook_is_kept_with_its_outputs_small_and_sound():
    nbformat.validate(nbformat.read(KEPT, as_version=4))
    assert KEPT.stat().st_size < 200_000
    assert all(outputs(KEPT)[1:])
    text = KEPT.read_text(encoding="utf-8")
    assert not [word for word in ("Traceback", "/home/", "/tmp/", "/root/", "site-packages") if word in text]


@pytest.mark.slow
def test_a_kernel_trains_shows_and_returns_what_the_notebook_says(tmp_path):
    made = tmp_path / "study.ipynb"
    command = [sys.executable, str(ROOT / "scripts" / "run_notebook"), str(KEPT), str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept, found = outputs(KEPT), outputs(made)
    kinds = [[sorted(each.get("data", {each.output_type: 0})) for each in cell] for cell in found]
    assert kinds == [[sorted(each.get("data", {each.output_type: 0})) for each in cell] for cell in kept]
    run, results = found[1], found[2]
    assert "16 of 16 runs stored" in run[-1].data["text/plain"]
    assert '<div class="harness-results">' in results[0].data["text/html"]
    assert "16 runs" in results[0].data["text/plain"]
    assert "image/png" in found[-1][0].data
