"""PostgreSQL, a real server: the same tables as SQLite, through restarts, lost connections and other studies."""

import types
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy.exc

from harness.driver import engine as engines
from harness.driver import spool
from harness.driver.database import StorageAway, StorageError, sqlite_url
from harness.driver.engine import Engine, Stopped
from harness.driver.folder import Folder
from harness.driver.queue import Queue
from harness.driver.store import TrialStore
from harness.spec import Planned
from tests.study import postgres
from tests.study import test_storage as storages
from tests.study.conftest import make
from tests.study.test_engine import PRIMARY, Instant, Silent, comparable, record, session
from tests.study.test_replicates import study as replicated

RUNS = 3 * (2 + 2 + 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with postgres.running(tmp_path_factory.mktemp("postgres") / "data") as made:
        yield made


@pytest.fixture
def spec():
    return make(trials=2, top=1, seeds=2)


@pytest.fixture
def whole(spec, tmp_path):
    """The tables of SQLite."""
    path = tmp_path / "whole"
    path.mkdir()
    conduct(spec, sqlite_url(path), path, Instant())
    return comparable(path)


@pytest.fixture
def impatient(monkeypatch):
    """Retries follow each other at once: ours, and those inside Optuna."""
    monkeypatch.setattr(engines, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(engines, "POLL_SECONDS", 0.02)
    monkeypatch.setattr("optuna.storages._rdb.storage.random", types.SimpleNamespace(random=lambda: 0.0))
    return monkeypatch


def conduct(spec, url, path, executor, display=None):
    """Train as `run_study` does; return the trials then stored."""
    path.mkdir(exist_ok=True)
    store = TrialStore(spec, url, primary=PRIMARY)
    try:
        spool.empty(Folder(path), store)
        executor.engine = Engine(session(spec, path, store), executor, display or Silent())
        executor.engine.conduct()
        return store.study.get_trials()
    finally:
        store.close()


class Disturbed(Instant):
    """Calls `fault` before the runs numbered `at` begin."""

    def __init__(self, fault, *, at):
        super().__init__(slots=2)
        self._fault, self._at = fault, at

    def submit(self, design):
        if len(self.made) in self._at:
            self._fault()
        return super().submit(design)


def test_a_restart_and_lost_connections_in_mid_study_change_nothing(server, spec, whole, tmp_path):
    def restart():
        server.stop()
        server.start()

    for name, fault in (("restart", restart), ("cut", server.cut)):
        trials = conduct(spec, server.url(), tmp_path / name, Disturbed(fault, at=(0, 4, 5, RUNS - 1)))
        assert comparable(tmp_path / name) == whole
        assert len(trials) == len({trial.user_attrs["run"] for trial in trials}) == RUNS
        assert [trial.number for trial in trials] == list(range(RUNS))


def test_while_the_server_is_away_runs_go_on_and_are_kept_until_it_is_back(server, spec, whole, tmp_path, impatient):
    work, seen = tmp_path / "away" / "checkpoints", []

    class Watching(Silent):
        def tick(self):
            seen.append(len(list(work.glob("*.ended"))))
            if seen[-10:] == [6] * 10:  # the whole search, whose outcome the next runs need
                server.start()

    trials = conduct(spec, server.url(), tmp_path / "away", Disturbed(server.stop, at=(0,)), Watching())
    assert max(seen) == 6
    assert not list(work.glob("*.ended"))
    assert comparable(tmp_path / "away") == whole
    assert len(trials) == RUNS


def test_a_replicated_study_keeps_its_looks_and_its_plan_through_restarts(server, tmp_path):
    plan = replicated(trials=1, seeds=1, least=6, most=8, every=1)
    conduct(plan, sqlite_url(tmp_path), tmp_path / "whole", Instant())
    url = server.url()

    def restart():
        server.stop()
        server.start()

    conduct(plan, url, tmp_path / "restart", Disturbed(restart, at=(1, 40)))
    assert comparable(tmp_path / "restart") == comparable(tmp_path / "whole")
    store = TrialStore(replicated(trials=1, seeds=1, least=6, most=8, every=1, beyond=2), url, primary=PRIMARY)
    assert store.planned == Planned.of(plan)
    store.close()
    with pytest.raises(StorageError, match=r"replicates.max is 12, but was 8 when .* set replicates.beyond = 4"):
        TrialStore(replicated(trials=1, seeds=1, least=6, most=12, every=1), url, primary=PRIMARY)


def test_a_server_that_stays_away_ends_the_study_in_one_sentence_and_loses_nothing(
    server, spec, whole, tmp_path, impatient
):
    impatient.setattr(engines, "AWAY_SECONDS", 0.5)
    url, path = server.url(), tmp_path / "gone"
    first = Disturbed(server.stop, at=(2,))
    with pytest.raises(StorageAway, match=r"2 runs that|\d runs that ended meanwhile are kept in") as ended:
        conduct(spec, url, path, first)
    assert "secret" not in str(ended.value)
    assert len(str(ended.value).splitlines()) == 1
    with pytest.raises(StorageAway, match="see that the server runs"):
        TrialStore(spec, url, primary=PRIMARY)
    server.start()
    second = Instant()
    conduct(spec, url, path, second)
    assert not set(first.made) & set(second.made)
    assert comparable(path) == whole


def test_a_commit_whose_answer_was_lost_is_not_repeated(server, spec, tmp_path, monkeypatch):
    store = TrialStore(spec, server.url(), primary=PRIMARY)
    store.begin_writing()
    design = Queue(spec, {}).take()
    create = store._storage._create_new_trial

    def unanswered(*arguments):
        create(*arguments)
        raise sqlalchemy.exc.OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))

    with monkeypatch.context() as patch:
        patch.setattr(store._storage, "_create_new_trial", unanswered)
        with pytest.raises(StorageAway):
            store.add(record(design))
    assert store.add(record(design)).trial == 0
    assert len(store.study.trials) == 1
    store.close()


def test_studies_in_one_database_do_not_disturb_each_other(server, spec, whole, tmp_path):
    url = server.url()
    other = spec.model_copy(update={"name": "other"})

    class Stopping(Instant):
        def submit(self, design):
            self.engine.stopping = len(self.made) == 4
            return super().submit(design)

    with pytest.raises(Stopped):
        conduct(spec, url, tmp_path / "small", Stopping())
    assert len(conduct(other, url, tmp_path / "other", Instant())) == RUNS
    assert len(conduct(spec, url, tmp_path / "small", Instant())) == RUNS
    assert comparable(tmp_path / "small") == comparable(tmp_path / "other") == whole


def test_a_second_driver_and_another_study_of_the_same_name_are_refused(server, spec):
    url = server.url()
    first = TrialStore(spec, url, primary=PRIMARY)
    with pytest.raises(StorageError, match=r"study 'small' in database .* is in use by another run_study"):
        TrialStore(spec, url, primary=PRIMARY)
    server.cut()  # a driver that is gone holds nothing
    second = TrialStore(spec, url, primary=PRIMARY)
    second.add(record(Queue(spec, {}).take()))
    second.close()
    first.close()
    longer = spec.model_copy(update={"train": spec.train.model_copy(update={"steps": 41})})
    with pytest.raises(StorageError, match=r"is another experiment \(train.steps: 40 -> 41\); choose another name"):
        TrialStore(longer, url, primary=PRIMARY)


def test_two_studies_that_start_at_once_on_an_empty_database_both_get_their_tables(server, spec):
    url = server.url()

    def start(name):
        store = TrialStore(spec.model_copy(update={"name": name}), url, primary=PRIMARY)
        store.add(record(Queue(spec, {}).take()))
        store.close()
        return store.records

    with ThreadPoolExecutor(4) as pool:
        assert [len(each) for each in pool.map(start, ("a", "b", "c", "d"))] == [1, 1, 1, 1]


def test_a_study_grows_in_place_and_keeps_what_others_added(server, spec):
    url = server.url()
    storages.assert_growth_keeps_what_others_added(spec, url)
