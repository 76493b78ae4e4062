"""A study in its database: claimed late, grown in place, shared with whatever other tools keep there."""

import contextlib
import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import optuna
import pytest
import sqlalchemy.pool

from harness.driver import identity
from harness.driver.database import AddressError, Storage, StorageError, sqlite_url, without_password
from harness.driver.queue import Queue
from harness.driver.store import RECORD, TrialStore
from harness.results.record import RunRecord
from tests.study.conftest import make
from tests.study.test_engine import PRIMARY, Instant, conduct, record


def fill(spec, url, count=3):
    """Store the first `count` runs of a study."""
    store = TrialStore(spec, url, primary=PRIMARY)
    queue = Queue(spec, {})
    for _ in range(count):
        store.add(record(queue.take()))
    store.close()
    return store.records


def load(url, name="small"):
    storage = optuna.storages.RDBStorage(url, {"poolclass": sqlalchemy.pool.NullPool})  # leaves no connection open
    return optuna.load_study(study_name=name, storage=storage)


def seen(trial):
    """What a user sees of a trial."""
    return (
        trial.number,
        trial._trial_id,
        trial.state,
        trial.values,
        trial.params,
        trial.user_attrs,
        trial.intermediate_values,
        trial.datetime_start,
    )


def disturb(url):
    """What other tools and hands leave in a study of ours."""
    study = load(url)
    study.enqueue_trial({"peak": 1e-3, "schedule": "linear"}, user_attrs={"record": "mine"})
    study.enqueue_trial({"peak": 1e-3}, user_attrs=study.trials[0].user_attrs)  # as the dashboard's retry
    study.ask({"schedule": optuna.distributions.CategoricalDistribution(["constant", "linear", "exponential"])})
    study.ask()
    study.add_trial(optuna.trial.create_trial(value=-1.0, user_attrs={"run": "search-none", "record": "{}"}))
    study.add_trial(study.trials[0])
    other = {"schedule": "warm", "peak": 3, "mine": "x"}
    kinds = {
        "schedule": optuna.distributions.CategoricalDistribution(["warm", "cold"]),
        "peak": optuna.distributions.IntDistribution(1, 5),
        "mine": optuna.distributions.CategoricalDistribution(["x", "y"]),
    }
    made = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL, params=other, distributions=kinds)
    free = Storage(url, {"poolclass": sqlalchemy.pool.NullPool}, create=False)
    free._create_new_trial(study._study_id, made)  # as a tool that asks for no agreement
    study.set_user_attr("mine", [1, 2])
    for key, value in (("dashboard:note_str:0", "why"), (f"dashboard:{study.trials[1]._trial_id}:note_ver", 3)):
        study._storage.set_study_system_attr(study._study_id, key, value)


def assert_growth_keeps_what_others_added(spec, url):
    fill(spec, url)
    disturb(url)
    before = load(url)
    trials, system, user = before.trials, before._storage.get_study_system_attrs(before._study_id), before.user_attrs
    text = spec.model_copy(
        update={"schedules": {"cosine": make(more="[schedules.cosine]\n").schedules["cosine"], **spec.schedules}}
    )
    store = TrialStore(text, url, primary=PRIMARY)
    queue = Queue(text, {})
    while (design := queue.take()).schedule != "cosine":
        pass
    stored = store.add(record(design))
    store.close()
    after = load(url)
    assert after._study_id == before._study_id
    assert [seen(each) for each in after.trials[:-1]] == [seen(each) for each in trials]
    assert after.trials[-1].params["schedule"] == "cosine"
    assert stored.trial == len(trials)
    assert after._storage.get_study_system_attrs(after._study_id) == system
    assert {**user, **after.user_attrs} == after.user_attrs
    choices = {
        tuple(each.distributions["schedule"].choices)
        for each in after.trials
        if RECORD in each.user_attrs and "schedule" in each.params
    }
    assert choices == {tuple(text.schedules)}
    assert after.trials_dataframe()["params_schedule"].notna().any()


def test_a_study_grows_in_place_and_keeps_what_others_added(tmp_path):
    assert_growth_keeps_what_others_added(make(), sqlite_url(tmp_path))


def test_trials_of_others_are_no_runs_of_ours(tmp_path):
    spec = make(trials=2, seeds=2)
    fill(spec, sqlite_url(tmp_path))
    disturb(sqlite_url(tmp_path))
    runs, store = conduct(spec, tmp_path, Instant())
    assert len(runs) == len(set(runs["run"])) == 3 * (2 + 2)
    assert len(store.records) == len(runs)
    assert (runs["run"] != "search-none").all()


@pytest.mark.parametrize("fault_at", range(1, 6))
def test_growth_that_fails_anywhere_changes_nothing_and_both_files_are_accepted(tmp_path, monkeypatch, fault_at):
    spec, grown, url = make(), make(more="[schedules.cosine]\n"), sqlite_url(tmp_path)
    fill(spec, url)
    before = [seen(each) for each in load(url).trials]
    attributes = load(url).user_attrs
    put, calls = identity._put, iter(range(1, 100))

    def failing(*arguments):
        if next(calls) == fault_at:
            raise KeyboardInterrupt
        put(*arguments)

    store = TrialStore(grown, url, primary=PRIMARY)
    with monkeypatch.context() as patch:
        patch.setattr(identity, "_put", failing)
        with contextlib.suppress(KeyboardInterrupt):
            store.begin_writing()
    store.close()
    assert [seen(each) for each in load(url).trials] == before
    if fault_at <= 4:
        assert load(url).user_attrs == attributes
    for each in (spec, grown, spec):
        again = TrialStore(each, url, primary=PRIMARY)
        again.begin_writing()
        again.close()
        assert len(again.records) == 3


def test_a_study_without_a_run_is_nobodys(tmp_path):
    url = sqlite_url(tmp_path)
    for steps in (40, 41, 42):
        spec = make().model_copy(update={"train": make().train.model_copy(update={"steps": steps})})
        store = TrialStore(spec, url, primary=PRIMARY)
        store.begin_writing()
        store.close()
    fill(spec, url, 1)
    with pytest.raises(StorageError, match=r"train.steps: 42 -> 40"):
        TrialStore(make(), url, primary=PRIMARY)


def test_looking_at_a_study_writes_nothing(tmp_path):
    store = TrialStore(make(), sqlite_url(tmp_path), primary=PRIMARY)
    assert [each.name for each in tmp_path.iterdir() if not each.name.endswith(".lock")] == []
    store.close()
    assert list(tmp_path.iterdir()) == []
    fill(make(), sqlite_url(tmp_path))
    before = (tmp_path / "study.db").read_bytes()
    TrialStore(make(more="[schedules.cosine]\n"), sqlite_url(tmp_path), primary=PRIMARY).close()
    assert (tmp_path / "study.db").read_bytes() == before


@pytest.mark.parametrize("made", ["with another direction", "with trials"])
def test_a_study_of_others_with_our_name_is_refused(tmp_path, made):
    url = sqlite_url(tmp_path)
    study = optuna.create_study(study_name="small", storage=url, direction="maximize" if "direction" in made else None)
    if made == "with trials":
        study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StorageError, match="was not made by this harness"):
        TrialStore(make(), url, primary=PRIMARY)


@pytest.mark.parametrize(
    "left", ["incomplete draft", "complete draft beside", "complete draft alone", "refilled in part"]
)
def test_a_draft_that_an_earlier_version_left_is_settled_without_losing_a_run(tmp_path, left):
    url = sqlite_url(tmp_path)
    records = fill(make(), url)
    study = load(url)
    copy = optuna.create_study(study_name="small (copying)", storage=url)
    copy.add_trials(study.trials[: 2 if left == "incomplete draft" else 3])
    for key, value in study.user_attrs.items():
        copy.set_user_attr(key, value)
    if left != "incomplete draft":
        copy.set_user_attr(identity.COMPLETE, True)
    if left in ("complete draft alone", "refilled in part"):
        optuna.delete_study(study_name="small", storage=url)
    if left == "refilled in part":
        optuna.create_study(study_name="small", storage=url).add_trials(copy.trials[:1])
    for _ in range(2):
        store = TrialStore(make(), url, primary=PRIMARY)
        assert store.records.keys() == records.keys()
        store.begin_writing()
        store.close()
        assert optuna.get_all_study_names(url) == ["small"]
        assert identity.COMPLETE not in load(url).user_attrs


def _start(name, url):
    spec = make().model_copy(update={"name": name})
    store = TrialStore(spec, url, primary=PRIMARY)
    store.add(record(Queue(spec, {}).take()))
    store.close()
    return len(store.records)


def test_studies_that_start_at_once_on_a_new_file_all_get_their_tables(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(_start, "abcdef", [url] * 6)) == [1] * 6
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".lock")] == []


def _hold(url, told, heard):
    store = TrialStore(make(), url, primary=PRIMARY)
    told.set()
    heard.wait()
    store.close()


def test_a_second_driver_of_a_study_on_a_file_is_refused_until_the_first_is_gone(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    context = multiprocessing.get_context("spawn")
    told, heard = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(url, told, heard))
    first.start()
    try:
        assert told.wait(60)
        with pytest.raises(StorageError, match=r"study 'small' in database .* is in use by another run_study"):
            TrialStore(make(), url, primary=PRIMARY)
        (tmp_path / "again").symlink_to(tmp_path)
        with pytest.raises(StorageError, match="is in use"):
            TrialStore(make(), f"sqlite:///{tmp_path}/again/shared.db?timeout=5", primary=PRIMARY)
        assert _start("other", url) == 1
    finally:
        first.kill()  # what holds the lock dies without a word
        first.join()
    assert _start("small", url) == 1


NAMES = ["run?1", "run#1", "100%", "a%3Fb", "{0}", "sp ace", "ünï→", ":memory:", "file:x", "a@b:c", "q'\"uote", "a&b=c"]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name_holds_its_own_database_which_optuna_finds(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    fill(make(), sqlite_url(folder), 1)
    assert (folder / "study.db").is_file()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert len(load(sqlite_url(folder)).trials) == 1
    assert len(load(without_password(sqlite_url(folder))).trials) == 1


REFUSED = {
    "study.db": "no address of a database",
    "sqlite://": "lost when the command ends",
    "sqlite:///:memory:": "lost when the command ends",
    "sqlite:///file::memory:?cache=shared&uri=true": "lost when the command ends",
    "sqlite:///file:x.db?mode=memory&uri=true": "lost when the command ends",
    "sqlite://x.db": "three slashes: sqlite:///x.db",
    "sqlite:///{folder}": "is a folder; name a file in it",
    "sqlite:///{folder}/none/x.db": "there is no folder",
    "sqlite:///{folder}/x.db?bogus=1": "bogus",
    "sqlite:///{folder}/x.db?timeout=soon": "soon",
    "sqlite:///{folder}/{{x}}.db": "write { as %7B",
    "redis://localhost:6379": "'redis' is no database that can be used",
    "journal:///x.log": "'journal' is no database that can be used",
    "grpc://localhost:13000": "'grpc' is no database that can be used",
    "postgres://u:secret@h/d": "'postgres' is no database that can be used",
    "postgresql+psycopg://u:secret@h:port/d": "no address of a database",
    "postgresql+psycopg2://u:secret@h/d": "the driver 'psycopg2' is not installed, but psycopg is: write postgresql+psycopg",
    "mysql://u:secret@h/d?password=secret": "the driver 'MySQLdb' is not installed",
    "sqlite+nothing:///x.db": "no database that can be used",
}


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_cannot_be_used_is_one_sentence_that_says_what_can(tmp_path, url):
    with pytest.raises(AddressError) as caught:
        TrialStore(make(), url.format(folder=tmp_path) if "folder" in url else url, primary=PRIMARY)
    assert REFUSED[url] in str(caught.value)
    assert str(caught.value).startswith("--storage is ")
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "words"),
    [("v9.9.0.a", "made by a newer Optuna .*install that one"), ("v3.0.0.d", "made by an older .*storage upgrade")],
)
def test_a_database_of_another_optuna_is_named_and_left_alone(tmp_path, version, words):
    fill(make(), sqlite_url(tmp_path))
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(StorageError, match=words):
        TrialStore(make(), sqlite_url(tmp_path), primary=PRIMARY)
    assert (tmp_path / "study.db").read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("CREATE TABLE studies (title TEXT)")
        connection.commit()
    store = TrialStore(make(), sqlite_url(tmp_path), primary=PRIMARY)
    with pytest.raises(StorageError, match="its tables are not those of Optuna"):
        store.begin_writing()
    store.close()


def test_trials_say_when_their_run_began_and_ended(tmp_path):
    store = TrialStore(make(), sqlite_url(tmp_path), primary=PRIMARY)
    taken = record(Queue(make(), {}).take())
    before = datetime.now()
    store.add(RunRecord.from_json({**taken.to_json(), "seconds": 90.0}))
    store.close()
    (trial,) = load(sqlite_url(tmp_path)).trials
    assert abs((trial.datetime_complete - before).total_seconds()) < 60
    assert trial.duration.total_seconds() == pytest.approx(90.0)


def test_the_best_trial_is_of_the_search_also_in_databases_that_did_not_say_so(tmp_path):
    spec = make(trials=1, top=1, seeds=5)
    _, store = conduct(spec, tmp_path, Instant())
    searched = min(each.scores[PRIMARY] for each in store.records.values() if each.phase == "search")
    assert searched > min(each.scores[PRIMARY] for each in store.records.values())
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("DELETE FROM trial_system_attributes WHERE key = 'constraints'")
        connection.execute("DELETE FROM study_system_attributes")
        connection.commit()
    assert load(sqlite_url(tmp_path)).best_value < searched
    conduct(spec, tmp_path, Instant())
    assert load(sqlite_url(tmp_path)).best_value == searched
    assert load(sqlite_url(tmp_path)).metric_names == [PRIMARY]
