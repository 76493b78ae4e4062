"""Growth is honest: what was planned before a verdict could be seen is kept wherever the study lies, and drives the verdicts."""

import json
import shutil

import pandas as pd
import pytest

from harness.driver import identity
from harness.driver.database import sqlite_url
from harness.spec import Planned
from tests.study.conftest import make
from tests.study.test_claim import study, without_database  # noqa: F401
from tests.study.test_engine import Instant, conduct
from tests.study.test_replicates import study as replicated
from tests.study.test_storage import load

SMALL = make(trials=1, seeds=2)
PLANNED = {"schedules": ["constant", "linear", "exponential"], "trials": 1, "select_seeds": 2, "confirm_seeds": 2}
GROWN = make(trials=1, seeds=4, more="[schedules.cosine]\n")


def document(tmp_path, output="out"):
    return json.loads((tmp_path / output / "study.json").read_text(encoding="utf-8"))


def attribute(url):
    return load(url).user_attrs.get(identity.PLANNED)


def interrupted(design, attempt):
    """The driver is stopped as it begins to confirm."""
    if design.phase == "confirm":
        raise KeyboardInterrupt
    return "finished"


def test_growth_keeps_what_was_planned_in_folder_and_database_and_says_so(study, tmp_path):  # noqa: F811
    study(SMALL)
    assert document(tmp_path)["planned"] == attribute(sqlite_url(tmp_path / "out")) == PLANNED
    assert study(GROWN)[:2] == (0, "")
    assert document(tmp_path)["planned"] == attribute(sqlite_url(tmp_path / "out")) == PLANNED
    said = [each for each in document(tmp_path)["warnings"] if "exploratory" in each]
    assert said == Planned.from_json(PLANNED).passed_by(GROWN)
    assert len(said) == 2
    assert study(GROWN)[:2] == (0, "")
    assert document(tmp_path)["planned"] == PLANNED


def test_growth_before_a_confirmation_run_is_stored_moves_the_plan(study, tmp_path):  # noqa: F811
    assert study(SMALL, fate=interrupted)[0] == 130
    assert document(tmp_path)["planned"] == PLANNED
    assert study(GROWN)[0] == 0
    assert document(tmp_path)["planned"] == Planned.of(GROWN).to_json() == attribute(sqlite_url(tmp_path / "out"))
    assert not any("exploratory" in each for each in document(tmp_path)["warnings"])


def lose(what, tmp_path):
    """Remove the shared database, or the results folder, or neither."""
    if what == "database":
        for path in tmp_path.glob("shared.db*"):
            path.unlink()
    if what == "folder":
        shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize("lost", ["database", "folder", "neither"])
def test_a_folder_or_database_that_is_lost_does_not_forget_the_plan(study, tmp_path, lost):  # noqa: F811
    url = f"sqlite:///{tmp_path}/shared.db"
    study(SMALL, storage=url)
    study(make(trials=1, seeds=3), storage=url)
    lose(lost, tmp_path)
    assert study(GROWN, storage=url)[0] == 0
    assert document(tmp_path)["planned"] == attribute(url) == PLANNED


@pytest.mark.parametrize("lost", ["database", "folder", "neither"])
def test_of_a_study_of_an_earlier_version_all_that_it_was_is_the_plan(study, tmp_path, lost):  # noqa: F811
    url = f"sqlite:///{tmp_path}/shared.db"
    study(SMALL, storage=url)
    written = {key: value for key, value in document(tmp_path).items() if key != "planned"}
    (tmp_path / "out" / "study.json").write_text(json.dumps(written), encoding="utf-8")
    store = load(url)
    store._storage.set_study_user_attr(store._study_id, identity.PLANNED, None)
    lose(lost, tmp_path)
    assert study(GROWN, storage=url)[0] == 0
    assert document(tmp_path)["planned"] == attribute(url) == PLANNED


PLAN = {"trials": 1, "seeds": 1, "most": 10, "least": 6, "every": 2}


def test_the_plan_of_looks_cannot_be_moved_and_the_sentence_says_what_can_be_done(study, tmp_path):  # noqa: F811
    url = f"sqlite:///{tmp_path}/shared.db"
    assert study(replicated(**PLAN), storage=url)[0] == 0
    longer = replicated(**{**PLAN, "most": 16})
    words = "replicates.max is 16, but was 10 when the first confirmation run was stored"
    advice = "set replicates.beyond = 6 to add 6 replicates: exploratory, they change no verdict"
    for status, output in ((2, "out"), (1, "elsewhere")):
        code, err, made = study(longer, storage=url, output=output)
        assert (code, made, len(err.splitlines())) == (status, [], 1)
        assert words in err
        assert advice in err
    code, err, made = study(replicated(**PLAN, beyond=2), storage=url)
    assert (code, err) == (0, "")
    assert {run.split("-t")[1][:3] for run in made} == {"010", "011"}
    assert study(replicated(**PLAN), storage=url)[0] == 2


def test_a_schedule_added_to_a_replicated_study_trains_itself_and_the_plan_stays(study, tmp_path):  # noqa: F811
    study(replicated(**PLAN))
    grown = replicated(**PLAN, more="[schedules.cosine]\n")
    code, err, made = study(grown)
    assert (code, err, {run.split("-")[1] for run in made}) == (0, "", {"cosine"})
    assert document(tmp_path)["planned"]["schedules"] == ["constant", "linear", "exponential"]
    assert study(grown)[2] == []


def uncertain(design, attempt):
    """Some runs diverge, some fail for good, those of the last schedule in a whole replicate."""
    if design.replicate == 3 and design.schedule == "exponential":
        return "diverged"
    return "ValueError: no, no" if design.run == "confirm-linear-t001-p000-r000" else "finished"


@pytest.mark.parametrize("beyond", [0, 2])
def test_a_replicated_folder_without_its_database_is_read_from_its_tables(study, tmp_path, beyond):  # noqa: F811
    spec, out = replicated(**PLAN, beyond=beyond), tmp_path / "out"
    assert study(spec, fate=uncertain)[0] == 0
    before = {path.name: path.read_bytes() for path in out.glob("*.*") if "study.db" not in path.name}
    trials = [(each.number, each.values, each.params) for each in load(sqlite_url(out)).trials]
    without_database(out)
    code, err, made = study(spec)
    assert (code, made, "study.db: lacks" in err, len(err.splitlines())) == (0, [], True, 1)
    assert before == {path.name: path.read_bytes() for path in out.glob("*.*") if "study.db" not in path.name}
    assert [(each.number, each.values, each.params) for each in load(sqlite_url(out)).trials] == trials
    assert len(list((out / "artifacts").iterdir())) == len(list((out / "samples").glob("*-r*.png")))


def unmeasured(path):
    """All of the tables but times and numbers of attempts."""
    runs = pd.read_csv(path / "runs.csv", dtype=str).drop(columns=["trial", "attempts", "started", "ended"])
    return runs.to_csv(), (path / "curves.csv").read_bytes()


def test_a_replicated_study_stopped_anywhere_ends_in_the_same_tables(tmp_path):
    spec = replicated(**{**PLAN, "trials": 2}, beyond=2)
    runs, _ = conduct(spec, tmp_path / "whole", Instant(fate=uncertain))
    assert set(runs["status"]) == {"finished", "diverged", "failed"}

    class Broken(Instant):
        def submit(self, design):
            if len(set(self.made)) == self.after:
                raise KeyboardInterrupt
            return super().submit(design)

    for slots in (1, 3):
        path, stops = tmp_path / f"parts{slots}", 0
        while True:
            executor = Broken(fate=uncertain, slots=slots)
            executor.after = 13
            try:
                conduct(spec, path, executor)
                break
            except KeyboardInterrupt:
                stops += 1
        assert stops >= 6
        assert unmeasured(path) == unmeasured(tmp_path / "whole")
