"""When a folder and a database become a study's, what leaves them alone, and what brings a lost database back."""

import json
import shutil
from concurrent.futures import Future
from pathlib import Path

import optuna
import pandas as pd
import pytest

from harness.data import DataError
from harness.driver import command, conduct, study_json
from harness.driver import folder as folders
from harness.driver.database import sqlite_url
from harness.driver.session import Options
from harness.metrics.features.weights_files import WeightsError
from harness.results.record import RunRecord
from harness.spec import digest, to_toml
from tests.study.conftest import make
from tests.study.test_engine import FACTS, Instant
from tests.study.test_storage import disturb, load


class Asked(Instant):
    """Instant runs by a worker whose answer is `facts`, or a fault."""

    def __init__(self, facts, **words):
        super().__init__(**words)
        self.facts = facts

    def ask(self, question):
        future = Future()
        if isinstance(self.facts, Exception):
            future.set_exception(self.facts)
        else:
            future.set_result(self.facts)
        return future


@pytest.fixture
def study(tmp_path, monkeypatch, capsys):
    """A function that runs a study in tmp_path with instant runs: exit status, errors (not warnings), runs trained."""
    monkeypatch.chdir(tmp_path)

    def run(spec, *, facts=FACTS, output="out", fate=None, **words):
        executor = Asked(facts, fate=fate)
        monkeypatch.setattr(conduct, "start", lambda *_, **__: executor)
        options = Options("mine.toml", Path(output), report=False, quiet=True, **words)
        code = command.run(spec, options)
        said = capsys.readouterr().err.splitlines(keepends=True)
        return code, "".join(line for line in said if not line.startswith("warning: ")), executor.made

    return run


def changed(spec, **sections):
    """The study with other settings, as `changed(spec, train={"steps": 41})`."""
    parts = {name: getattr(spec, name).model_copy(update=words) for name, words in sections.items()}
    return spec.model_copy(update=parts)


SMALL = make(trials=1, seeds=2)
LONGER = changed(SMALL, train={"steps": 41})
FAULTS = [
    (DataError("data.data_dir is x, which holds broken images"), 2, "mine.toml: data.data_dir is x"),
    (WeightsError("weights are of another network"), 2, "mine.toml: weights are of another network"),
    (ValueError("held_out has 3 images, but scores need at least 10"), 2, "mine.toml: held_out has 3"),
    (RuntimeError("no device"), 1, "a worker could not be set up: no device"),
]


@pytest.mark.parametrize(("fault", "status", "words"), FAULTS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("output", ["out", "deep/er/out", "there"])
def test_what_a_worker_refuses_leaves_nothing_and_the_mended_file_is_accepted(
    study, tmp_path, fault, status, words, output
):
    (tmp_path / "there").mkdir()
    code, err, _ = study(SMALL, facts=fault, output=output)
    assert (code, words in err, len(err.strip().splitlines())) == (status, True, 1)
    assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")] == ["there"]
    code, err, made = study(LONGER, output=output)
    assert (code, err, len(made)) == (0, "", 9)


def kill_at(monkeypatch, place):
    """Have the driver die as if killed: nothing is tidied up after it."""

    def die(*_, **__):
        raise SystemExit

    monkeypatch.setattr(folders.shutil, "rmtree", lambda *_, **__: None)
    owner, name = (study_json.tables, "write_study") if place == "claim" else (conduct, "_run_engine")
    monkeypatch.setattr(owner, name, die)


@pytest.mark.parametrize("place", ["claim", "freeze"])
@pytest.mark.parametrize(
    "then", [LONGER, SMALL.model_copy(update={"name": "other"}), changed(SMALL, data={"held_out": 0.5})]
)
def test_before_a_run_is_stored_any_study_may_take_the_place_of_one_that_was_killed(
    study, tmp_path, monkeypatch, place, then
):
    with monkeypatch.context() as patch:
        kill_at(patch, place)
        with pytest.raises(SystemExit):
            study(SMALL)
    assert (tmp_path / "out" / "study.db").exists()
    left = tmp_path / "out" / "checkpoints" / "search-linear-p000-r000.npz"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"of the study that was killed")
    seen = []
    code, err, _ = study(then, fate=lambda design, attempt: seen.append(left.exists()) or "finished")
    assert (code, err) == (0, "")
    assert not seen[0] or place == "claim"
    assert json.loads((tmp_path / "out" / "study.json").read_text())["sha256"] == digest(then)
    code, err, _ = study(SMALL)
    assert code == 2
    assert "study 'other'" in err or "another experiment" in err


def test_a_study_that_was_killed_before_its_first_run_keeps_its_checkpoints(study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill_at(patch, "freeze")
        with pytest.raises(SystemExit):
            study(SMALL)
    left = tmp_path / "out" / "checkpoints" / "search-linear-p000-r000.npz"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half a run")
    seen = []
    study(SMALL, fate=lambda design, attempt: seen.append(left.exists()) or "finished")
    assert seen[0]


def test_what_was_begun_with_other_images_is_begun_anew(study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill_at(patch, "freeze")
        with pytest.raises(SystemExit):
            study(SMALL)
    left = tmp_path / "out" / "checkpoints" / "search-linear-p000-r000.npz"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half a run")
    other = {**FACTS, "data": {**FACTS["data"], "fingerprint": "g"}}
    seen = []
    study(SMALL, facts=other, fate=lambda design, attempt: seen.append(left.exists()) or "finished")
    assert not seen[0]


def test_files_of_others_are_not_taken_for_what_a_killed_driver_left(study, tmp_path):
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    (tmp_path / "out" / "checkpoints" / "model.ckpt").write_bytes(b"mine")
    code, err, _ = study(SMALL)
    assert (code, "holds other files (checkpoints)" in err) == (2, True)
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["checkpoints"]


GROWN = make(trials=1, seeds=2, more="[schedules.cosine]\n")


def test_growth_refused_by_a_worker_leaves_the_study_as_it_was(study, tmp_path):
    study(SMALL)
    disturb(sqlite_url(tmp_path / "out"))
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.*") if "study.db" not in path.name}
    code, _, _ = study(GROWN, facts=DataError("gone"))
    assert code == 2
    assert before == {path: path.read_bytes() for path in before}
    for spec, runs in ((SMALL, 9), (GROWN, 12), (GROWN, 12)):
        code, err, _ = study(spec)
        assert (code, err) == (0, "")
        assert len((tmp_path / "out" / "runs.csv").read_text().splitlines()) == runs + 1
    code, err, _ = study(SMALL)
    assert (code, "schedules.cosine.kind" in err) == (2, True)


def test_growth_of_which_no_run_is_stored_may_be_taken_back(study, tmp_path, monkeypatch):
    study(SMALL)
    with monkeypatch.context() as patch:
        kill_at(patch, "freeze")
        with pytest.raises(SystemExit):
            study(GROWN)
    assert study(SMALL)[:2] == (0, "")
    assert study(GROWN)[:2] == (0, "")


def test_the_same_images_elsewhere_are_the_same_study(study, tmp_path):
    def placed(path, seeds):
        spec = changed(
            SMALL, data={"name": "folder", "data_dir": Path(path), "size": 8, "fit": "resize"}, confirm={"seeds": seeds}
        )
        (tmp_path / "mine.toml").write_text(to_toml(spec), encoding="utf-8")
        return spec

    for path in ("here", "there"):
        (tmp_path / path).mkdir()
        for place in range(60):
            shutil.copy(Path(__file__).parents[2] / "results/digits/samples/real.png", tmp_path / path / f"{place}.png")
    assert study(placed("here", 2))[0] == 0
    assert study(placed("there", 3))[:2] == (0, "")
    stored = json.loads((tmp_path / "out" / "study.json").read_text())
    assert stored["spec"]["data"]["data_dir"] == "there"
    assert "there" in (tmp_path / "out" / "study.toml").read_text()
    assert study(placed(tmp_path / "there", 3))[:2] == (0, "")
    shutil.rmtree(tmp_path / "there")  # nothing is left to be trained, so that nothing reads the images
    code, err, made = study(placed("there", 3))
    assert (code, err, made) == (0, "", [])
    code, err, _ = study(placed("there", 4))
    assert (code, "data.data_dir is there" in err) == (2, True)
    other = {**FACTS, "data": {**FACTS["data"], "fingerprint": "g"}}
    code, err, _ = study(placed("here", 4), facts=other)
    assert (code, "have fingerprint g" in err) == (2, True)


def uncertain(design, attempt):
    """Some runs diverge, some fail for good."""
    if design.run in ("confirm-linear-p000-r001", "search-exponential-p000-r000"):
        return "diverged"
    return "ValueError: no, no" if design.run == "confirm-constant-p000-r000" else "finished"


def without_database(out):
    for path in out.glob("study.db*"):
        path.unlink()
    shutil.rmtree(out / "artifacts", ignore_errors=True)


STEPPED = make(trials=2, seeds=2, top=1, more="[schedules.step]\ndrops = { low = 1, high = 4 }\n")


@pytest.mark.parametrize("spec", [SMALL, STEPPED, make(trials=10, seeds=1, sampler="tpe")], ids=["few", "step", "tpe"])
def test_a_folder_without_its_database_is_read_from_its_tables(study, tmp_path, spec):
    study(spec, fate=uncertain)
    out = tmp_path / "out"
    before = {path.name: path.read_bytes() for path in out.glob("*.*") if "study.db" not in path.name}
    trials = load(sqlite_url(out), spec.name).trials
    without_database(out)
    code, err, made = study(spec)
    assert (code, made) == (0, [])
    assert "study.db: lacks" in err
    assert len(err.splitlines()) == 1
    assert before == {path.name: path.read_bytes() for path in out.glob("*.*") if "study.db" not in path.name}
    again = load(sqlite_url(out), spec.name).trials

    def facts(trial):
        attributes = {name: value for name, value in trial.user_attrs.items() if name != "record"}
        record = RunRecord.from_json(json.loads(trial.user_attrs["record"])).numbered(trial.number).to_json()
        record["chosen"] = record["trial"] = None
        return trial.number, trial.state, trial.values, trial.params, trial.distributions, attributes, record

    assert [facts(each) for each in again] == [facts(each) for each in trials]
    assert [each.system_attrs for each in again] == [each.system_attrs for each in trials]
    assert len(list((out / "artifacts").iterdir())) == len(list((out / "samples").glob("*-r*.png")))
    assert study(spec)[:2] == (0, "")


def test_a_folder_without_its_database_can_grow(study, tmp_path):
    study(SMALL)
    without_database(tmp_path / "out")
    code, err, made = study(GROWN)
    assert (code, len(made), {run.split("-")[1] for run in made}) == (0, 3, {"cosine"})
    assert len(load(sqlite_url(tmp_path / "out")).trials) == 12
    other = {**FACTS, "features": {**FACTS["features"], "sha256": "t"}}
    without_database(tmp_path / "out")
    code, err, _ = study(make(trials=1, seeds=3, more="[schedules.cosine]\n"), facts=other)
    assert (code, "features 'digits' have sha256 t" in err) == (2, True)
    assert not (tmp_path / "out" / "study.db").exists()


def test_a_shared_database_that_lacks_the_study_takes_it_from_the_tables(study, tmp_path):
    study(SMALL)
    url = f"sqlite:///{tmp_path}/shared.db"
    code, err, made = study(SMALL, storage=url)
    assert (code, made) == (0, [])
    assert f"{url}: lacks 9 runs" in err
    assert len(load(url).trials) == 9
    assert study(SMALL, storage=url)[:2] == (0, "")


def test_trials_of_others_that_were_lost_leave_their_numbers_free(study, tmp_path):
    study(make(trials=1, seeds=1))
    out = tmp_path / "out"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    load(sqlite_url(out)).enqueue_trial({"peak": 1e-3})
    study(SMALL)
    before = (out / "runs.csv").read_bytes()
    without_database(out)
    assert study(SMALL)[0] == 0
    assert (out / "runs.csv").read_bytes() == before
    trials = load(sqlite_url(out)).trials
    assert [each.number for each in trials] == list(range(10))
    assert trials[6].user_attrs["status"] == "lost"


def test_runs_that_an_older_copy_of_the_database_lacks_are_taken_from_the_tables(study, tmp_path):
    out = tmp_path / "out"
    study(make(trials=1, seeds=1))
    shutil.copy(out / "study.db", tmp_path / "older.db")
    study(SMALL)
    before = (out / "runs.csv").read_bytes()
    without_database(out)
    shutil.copy(tmp_path / "older.db", out / "study.db")
    code, err, made = study(SMALL)
    assert (code, made, "lacks 3 runs" in err) == (0, [], True)
    assert (out / "runs.csv").read_bytes() == before


def test_a_database_of_another_study_is_refused_and_nothing_is_written(study, tmp_path):
    study(SMALL)
    study(SMALL.model_copy(update={"name": "other"}), output="other")
    out = tmp_path / "out"
    before = (out / "runs.csv").read_bytes()
    without_database(out)
    shutil.copy(tmp_path / "other" / "study.db", out / "study.db")
    code, err, made = study(SMALL)
    assert (code, made, len(err.splitlines())) == (2, [], 1)
    assert "holds the study 'other', not 'small'" in err
    assert (out / "runs.csv").read_bytes() == before


def test_a_database_whose_runs_are_not_those_of_the_tables_is_refused(study, tmp_path):
    out = tmp_path / "out"
    study(make(trials=1, seeds=1))
    shutil.copy(out / "study.db", tmp_path / "older.db")
    study(SMALL)
    without_database(out)
    shutil.copy(tmp_path / "older.db", out / "study.db")
    peak = pd.read_csv(out / "runs.csv", dtype=str)["params_peak"].iloc[0]
    _replace(out / "runs.csv", peak, "0.0042")
    before = (out / "runs.csv").read_bytes()
    code, err, made = study(SMALL)
    assert (code, made, "is not what the database holds" in err, len(err.splitlines())) == (2, [], True, 1)
    assert (out / "runs.csv").read_bytes() == before


def _replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


DAMAGE = {
    "a table is gone": (lambda out: (out / "runs.csv").unlink(), "runs.csv: not found"),
    "a table is no table": (lambda out: (out / "runs.csv").write_bytes(b"\xff\x00"), "runs.csv: cannot be read"),
    "a cell is no number": (lambda out: _replace(out / "curves.csv", "0.001", "x"), "curves.csv: row 2"),
    "a run has other seeds": (lambda out: _replace(out / "study.json", '"seed": 7', '"seed": 8'), "seed"),
    "a run is named otherwise": (
        lambda out: _replace(out / "runs.csv", "search-linear-p000-r000,search", "search-linear-p001-r000,search"),
        "run",
    ),
    "data are others": (lambda out: _replace(out / "runs.csv", ",f,s,", ",g,s,"), "used other data or features"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_tables_without_a_database_are_one_sentence_and_nothing_is_trained(study, tmp_path, case):
    study(SMALL)
    out = tmp_path / "out"
    without_database(out)
    damage, words = DAMAGE[case]
    damage(out)
    before = {path: path.read_bytes() for path in out.glob("*.*")}
    code, err, made = study(SMALL)
    assert (code, made, words in err) == (2, [], True), err
    assert len(err.splitlines()) == 1 or "another experiment" in err
    assert "Traceback" not in err
    assert before == {path: path.read_bytes() for path in out.glob("*.*")}


def test_nothing_but_the_study_is_left_in_a_folder(study, tmp_path):
    study(SMALL)
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert names == {
        "artifacts",
        "checkpoints",
        "curves.csv",
        "runs.csv",
        "samples",
        "study.db",
        "study.json",
        "study.toml",
    }
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


DAMAGED_DOCUMENTS = {
    b"\xff": "study.json: cannot be read (",
    b"[]": "study.json: has no schema number, so run_study did not write it; restore it from a copy, or choose another",
    b'{"schema": 99}': "reads up to 2; install the newer harness, or choose another --output",
    b'{"schema": 2}': "study.json: name: Field required; restore it from a copy, or choose another --output",
}


@pytest.mark.parametrize("content", DAMAGED_DOCUMENTS)
def test_a_damaged_study_json_is_refused_with_what_to_do_and_left_alone(study, tmp_path, content):
    study(SMALL)
    (tmp_path / "out" / "study.json").write_bytes(content)
    code, err, made = study(SMALL)
    assert (code, made, len(err.splitlines())) == (2, [], 1)
    assert DAMAGED_DOCUMENTS[content] in err
    assert (tmp_path / "out" / "study.json").read_bytes() == content
