"""`optuna-dashboard` on a study's storage serves its scores, curves and sample grids over HTTP."""

import importlib.util
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from harness.driver.database import sqlite_url
from harness.driver.engine import Engine
from harness.driver.store import TrialStore
from harness.worker.process import RunOutcome
from tests.study.conftest import make
from tests.study.test_engine import PRIMARY, Instant, Silent, session

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None, reason="the extra 'dashboard' is not installed"
)


class Pictured(Instant):
    """Every run has two grids, told apart by their content."""

    def submit(self, design):
        future = super().submit(design)
        ended = future.result()
        grids = {suffix: f"PNG of {design.run}{suffix}".encode() for suffix in ("", "-ema")}
        future._result = RunOutcome(ended.record, grids)
        return future


@pytest.fixture
def dashboard(tmp_path):
    """A study's results, and a function that reads a path of the dashboard that serves them."""
    spec = make(trials=1, seeds=1)
    results = tmp_path / "first"
    results.mkdir()
    store = TrialStore(spec, sqlite_url(results), primary=PRIMARY)
    Engine(session(spec, results, store), Pictured(), Silent()).conduct()
    store.close()
    moved = tmp_path / "moved"  # results may be moved and copied
    shutil.copytree(results, moved, symlinks=True)
    shutil.rmtree(results)
    words = [sqlite_url(moved), "--artifact-dir", str(moved / "artifacts"), "--port", "0", "--server", "wsgiref"]
    code = (
        "import sys, wsgiref.simple_server as servers, optuna_dashboard._cli as cli\n"
        "class Announced(cli.ThreadedWSGIServer):\n"
        "    def server_activate(self):\n"
        "        super().server_activate()\n"
        "        print(self.server_address[1], flush=True)\n"
        "cli.ThreadedWSGIServer = Announced\n"
        "cli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        port = int(process.stdout.readline())

        def read(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                return answer.read(), answer.headers["Content-Type"]

        yield store, read
    finally:
        process.kill()
        process.communicate()


def test_scores_curves_and_grids_are_served(dashboard):
    store, read = dashboard
    (study,) = json.loads(read("/api/studies")[0])["study_summaries"]
    assert study["study_name"] == "small"
    trials = json.loads(read(f"/api/studies/{study['study_id']}")[0])["trials"]
    assert len(trials) == len(store.records) == 6
    for trial in trials:
        (run,) = (each["value"] for each in trial["user_attrs"] if each["key"] == "run")
        record = store.records[run]
        assert trial["values"] == [record.scores[PRIMARY]]
        curve = {place["step"]: place["value"] for place in trial["intermediate_values"]}
        assert curve == {place.step: place.scores[PRIMARY] for place in record.curve}
        served = {}
        for each in trial["artifacts"]:
            content, kind = read(f"/artifacts/{study['study_id']}/{trial['trial_id']}/{each['artifact_id']}")
            served[each["filename"]] = (content, kind)
        assert served == {
            f"{record.run}{suffix}.png": (f"PNG of {record.run}{suffix}".encode(), "image/png")
            for suffix in ("", "-ema")
        }
    with pytest.raises(urllib.error.HTTPError):
        read(f"/artifacts/{study['study_id']}/{trials[0]['trial_id']}/{'0' * 32}")
