"""The engine: every run once, whatever fails or ends in whatever order; tables that do not depend on execution."""

import hashlib
import json
import random
from concurrent.futures import Future

import optuna
import pandas as pd
import pytest
from rich.console import Console

from harness.driver import study_json
from harness.driver.database import StorageError, sqlite_url
from harness.driver.engine import Engine, Stopped
from harness.driver.folder import Folder
from harness.driver.session import Options, Session
from harness.driver.store import TrialStore
from harness.results import tables
from harness.results.record import CurvePoint, RunRecord
from harness.worker.process import RunOutcome
from tests.report.example import pair
from tests.study.conftest import make

PRIMARY = "fid_digits_500"
FACTS = {  # a worker's summary
    "data": {"name": "digits", "fingerprint": "f", "train": 100, "held_out": 20, "shape": [8, 8, 1]},
    "features": {"name": "digits", "sha256": "s", "dimensions": 64},
    "scores": {PRIMARY: {"title": "Fréchet distance", "direction": "lower", "help": "h", "protocol": "p"}},
    "floor": {PRIMARY: 0.1},
    "environment": {
        "python": "3",
        "platform": "p",
        "cpu": "c",
        "device": "CPU",
        "versions": {"harness": "0"},
        "commit": "c",
    },
    "real": b"png",
}
STUDY = {
    "spec": {"train": {"steps": 40, "threads": 1}},
    "data": {"fingerprint": "f"},
    "features": {"sha256": "s"},
    "environment": {"device": "CPU", "commit": "c", "versions": {"harness": "0"}},
}


def record(design, *, status="finished"):
    """A record that depends on the design alone."""
    value = int.from_bytes(hashlib.sha256(design.run.encode()).digest()[:4], "big") / 2**32
    finished = status == "finished"
    scores = {PRIMARY: value, f"{PRIMARY}_ema": value / 3}
    curve = tuple(CurvePoint(step, pair(1e-3, 1e-3), pair(0.5, 0.6), scores, 1.0) for step in (20, 40))
    base = RunRecord.failed(design.to_json() | {"run": design.run}, reason="", attempts=1, study=STUDY).to_json()
    return RunRecord.from_json(
        {
            **base,
            "status": status,
            "reason": "" if finished else "loss of the generator is nan",
            "last_step": 40 if finished else 7,
            "scores": scores if finished else {},
            "curve": [place.to_json() for place in curve] if finished else [],
        }
    )


class Instant:
    """An executor whose runs end at once; `fate` says how."""

    def __init__(self, *, slots=3, fate=None, shuffle=None):
        self.slots, self.fate, self.made = slots, fate or (lambda design, attempt: "finished"), []
        self._random = random.Random(shuffle)

    def submit(self, design):
        self.made.append(design.run)
        fate = self.fate(design, self.made.count(design.run))
        future = Future()
        if fate in ("finished", "diverged"):
            future.set_result(RunOutcome(record(design, status=fate), {"": b"png"}))
        elif fate == "interrupted":
            future.set_result(RunOutcome(None, {}))
        else:
            future.set_result(RunOutcome(None, {}, error=fate, trace="Traceback"))
        return future

    def describe(self):
        return "one worker"

    def stop(self):
        pass

    def close(self, *, at_once):
        pass


class Silent:
    def started(self, design):
        pass

    def ended(self, record):
        pass

    def retrying(self, design, error):
        pass

    def tick(self):
        pass


def session(spec, path, store):
    """A study in the folder `path`, with the study.json that is written before its first run."""
    opened = Session(spec, Options("small.toml", path), Console(quiet=True), Folder(path), store)
    tables.write_study(path, study_json.content(opened, FACTS, None))
    return opened


def conduct(spec, path, executor):
    path.mkdir(exist_ok=True)
    store = TrialStore(spec, sqlite_url(path), primary=PRIMARY)
    try:
        Engine(session(spec, path, store), executor, Silent()).conduct()
    finally:
        store.close()
    return pd.read_csv(path / "runs.csv", keep_default_na=False), store


def comparable(path):
    """What must not depend on who trained the runs and when."""
    frame = pd.read_csv(path / "runs.csv", dtype=str).drop(columns=["trial", "attempts"])
    return frame.to_csv(), (path / "curves.csv").read_bytes()


def test_every_run_of_the_plan_is_trained_once_and_stored(tmp_path):
    spec = make(trials=4, top=2)
    executor = Instant()
    runs, store = conduct(spec, tmp_path / "one", executor)
    assert len(executor.made) == len(set(executor.made)) == len(runs) == 3 * (4 + 4 + 3)
    assert set(runs["status"]) == {"finished"}
    assert len(store.study.trials) == len(runs)


def test_resuming_trains_only_what_is_missing_and_ends_in_the_same_tables(tmp_path):
    spec = make(trials=4, top=2)
    conduct(spec, tmp_path / "whole", Instant())

    class Broken(Instant):
        def submit(self, design):
            if len(self.made) == 11:
                raise KeyboardInterrupt
            return super().submit(design)

    first = Broken()
    with pytest.raises(KeyboardInterrupt):
        conduct(spec, tmp_path / "parts", first)
    second = Instant(slots=1)
    conduct(spec, tmp_path / "parts", second)
    stored = len(first.made) + len(second.made)
    assert stored <= 33 + first.slots
    assert comparable(tmp_path / "parts") == comparable(tmp_path / "whole")


def test_diverged_runs_are_kept_with_step_and_reason_and_failed_trials_in_optuna(tmp_path):
    def fate(design, attempt):
        return "diverged" if design.schedule == "constant" and design.phase == "confirm" else "finished"

    runs, store = conduct(make(), tmp_path / "d", Instant(fate=fate))
    lost = runs[runs["status"] == "diverged"]
    assert list(lost["schedule"].unique()) == ["constant"]
    assert len(lost) == 3
    assert (lost["last_step"] == 7).all()
    assert (lost["reason"] == "loss of the generator is nan").all()
    assert (lost[PRIMARY] == "").all()
    states = [trial.state for trial in store.study.trials if trial.user_attrs["status"] == "diverged"]
    assert states == [optuna.trial.TrialState.FAIL] * 3


def test_a_failing_run_is_tried_again_then_recorded_as_failed_and_the_study_goes_on(tmp_path):
    def fate(design, attempt):
        if design.run == "search-linear-p001-r001":
            return "ValueError: broken"
        if design.run == "search-linear-p002-r002" and attempt < 3:
            return "worker died (killed, or out of memory)"
        return "finished"

    executor = Instant(fate=fate)
    runs, _ = conduct(make(), tmp_path / "f", executor)
    rows = runs.set_index("run")
    assert rows.loc["search-linear-p001-r001", "status"] == "failed"
    assert "ValueError: broken" in rows.loc["search-linear-p001-r001", "reason"]
    assert rows.loc["search-linear-p001-r001", "attempts"] == 3 == executor.made.count("search-linear-p001-r001")
    assert rows.loc["search-linear-p002-r002", ["status", "attempts"]].tolist() == ["finished", 3]
    assert (tmp_path / "f" / "errors" / "search-linear-p001-r001.txt").read_text() == "Traceback"
    assert len(runs) == 3 * (5 + 3)


def test_number_of_slots_changes_no_table(tmp_path):
    spec = make(trials=10, sampler="tpe", top=2)
    for slots in (1, 2, 7):
        conduct(spec, tmp_path / str(slots), Instant(slots=slots))
    assert comparable(tmp_path / "1") == comparable(tmp_path / "2") == comparable(tmp_path / "7")


def test_growing_keeps_stored_runs_and_marks_the_configuration_now_confirmed(tmp_path):
    first = Instant()
    conduct(make(trials=3), tmp_path / "g", first)
    more = "[schedules.cosine]\n"
    second = Instant()
    runs, store = conduct(make(trials=12, seeds=4, more=more), tmp_path / "g", second)
    fresh = Instant()
    conduct(make(trials=12, seeds=4, more=more), tmp_path / "fresh", fresh)
    assert not set(first.made) & set(second.made)
    confirmed = runs[(runs["phase"] == "confirm") & runs["chosen"].astype(bool)]
    assert confirmed.groupby("schedule").size().to_dict() == dict.fromkeys(
        ["constant", "linear", "exponential", "cosine"], 4
    )
    assert len(store.study.trials) == len(runs)
    again = pd.read_csv(tmp_path / "fresh" / "runs.csv")
    assert set(again["run"]) <= set(runs["run"])


def test_optunas_own_tools_read_the_study(tmp_path):
    _, store = conduct(make(), tmp_path / "o", Instant())
    study = optuna.load_study(study_name="small", storage=sqlite_url(tmp_path / "o"))
    frame = study.trials_dataframe()
    assert {"params_schedule", "params_peak", "params_exponential.final", "user_attrs_phase"} <= set(frame.columns)
    assert study.metric_names == [PRIMARY]
    best = store.records[study.best_trial.user_attrs["run"]]
    searched = [each.scores[PRIMARY] for each in store.records.values() if each.phase == "search"]
    assert study.best_value == best.scores[PRIMARY] == min(searched)
    assert study.best_trial.intermediate_values == {20: best.scores[PRIMARY], 40: best.scores[PRIMARY]}


def test_a_stop_stores_what_ended_and_says_so(tmp_path):
    class Stopping(Instant):
        def submit(self, design):
            if len(self.made) == 4:
                self.engine.stopping = True
                return super().submit(design)
            return super().submit(design)

    spec, path = make(), tmp_path / "s"
    path.mkdir()
    executor = Stopping()
    store = TrialStore(spec, sqlite_url(path), primary=PRIMARY)
    executor.engine = Engine(session(spec, path, store), executor, Silent())
    with pytest.raises(Stopped):
        executor.engine.conduct()
    assert len(pd.read_csv(path / "runs.csv")) == len(executor.made) == len(store.records)


def test_two_studies_share_a_database_without_touching_each_other(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    one = make()
    two = make().model_copy(update={"name": "other"})
    first = TrialStore(one, url, primary=PRIMARY)
    second = TrialStore(two, url, primary=PRIMARY)
    from harness.driver.queue import Queue

    design = Queue(one, {}).take()
    first.add(record(design))
    assert len(second.study.trials) == 0
    first.close()
    assert len(TrialStore(one, url, primary=PRIMARY).records) == 1


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_damaged_database_is_named_and_left_alone(tmp_path, damage):
    conduct(make(), tmp_path, Instant())
    path = tmp_path / "study.db"
    content = path.read_bytes()
    broken = content[: len(content) // 2] if damage == "truncated" else b"no database " * 500
    path.write_bytes(broken)
    for side in ("-wal", "-shm"):
        (tmp_path / f"study.db{side}").unlink(missing_ok=True)
    with pytest.raises(StorageError, match=r"study\.db.*damaged"):
        TrialStore(make(), sqlite_url(tmp_path), primary=PRIMARY)
    assert path.read_bytes() == broken


def test_records_survive_json_and_csv_exactly(tmp_path):
    conduct(make(), tmp_path, Instant())
    store = TrialStore(make(), sqlite_url(tmp_path), primary=PRIMARY)
    for each in store.records.values():
        assert RunRecord.from_json(json.loads(json.dumps(each.to_json()))) == each
    frame = tables._frame(tmp_path / "runs.csv", ())
    for row in frame.to_dict("records"):
        assert row[PRIMARY] == store.records[row["run"]].scores[PRIMARY]
        assert row["params_peak"] == store.records[row["run"]].params["peak"]
