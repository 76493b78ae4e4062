"""Runs that begin alike are trained once, and no number shows it: whatever is lost, damaged or cut short on the way."""

import errno
import json
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmarks.campaigns.faults import MEASURED, SHARED
from harness import spec as specs
from harness.driver import study_json
from harness.driver.database import sqlite_url
from harness.driver.engine import Engine
from harness.driver.folder import Folder
from harness.driver.queue import Queue
from harness.driver.session import Options, Session
from harness.driver.sharing import SILENT_SECONDS, Sharing
from harness.driver.store import TrialStore
from harness.models import checkpoints
from harness.plan.prefixes import PATTERN, Forks, Prefixes
from harness.results import reading, tables
from harness.worker import context, device, process
from harness.worker.energy import Counter, Meter
from harness.worker.forks import RunForks
from harness.worker.process import FORKS, STOP, WorkerSetup
from tests.study.test_engine import Instant, Silent, conduct

device.configure(threads=1, gpu=None)

STEPS = 60
SPEC = specs.parse(
    f"""
name = "alike"
seed = 5
[data]
name = "digits"
[network]
latent = 4
width = 4
[train]
steps = {STEPS}
batch = 8
ema = [0.9, 0.99]
[train.scheduled]
beta2 = {{ start = 0.9, end = 0.99, kind = "cosine", until = 0.5 }}
[evaluate]
features = "digits"
generated = 100
points = 2
[space]
peak = {{ low = 1e-3, high = 1e-2, log = true }}
[schedules.constant]
[schedules.wsd]
decay = {{ low = 0.2, high = 0.5 }}
[schedules.held]
kind = "linear"
hold = 0.75
[schedules.short]
kind = "wsd"
steps = 30
[schedules.other]
kind = "constant"
optimizer = "rmsprop"
[search]
trials = 1
[confirm]
seeds = 1
[variance]
seeds = 2
sources = ["evaluation"]
schedules = ["wsd"]
""",
    source="alike.toml",
)


READY = Queue(SPEC, {}).ready


class Here:
    """Trains in this process, one run at a time; `before` is called with each run's design and fork to begin from."""

    slots = 1

    def __init__(self, work, *, before=lambda design, fork: None):
        self.setup = WorkerSetup(SPEC, work=work, cache=None, gpu=None, commit="c")
        self.before, self.begun = before, []

    def submit(self, design):
        self.begun.append(design.run)
        work = self.setup.work
        note = None if work is None else work / f"{design.run}{FORKS}"
        begins = json.loads(note.read_text())["begins"] if note and note.exists() else ""
        self.before(design, work / begins if begins else None)
        future = Future()
        future.set_result(process.train_with(self.setup, design))
        if work is not None:
            (work / STOP).unlink(missing_ok=True)
        return future

    def stop(self):
        pass

    def close(self, *, at_once):
        pass


def trained(path, executor):
    """The study in the folder `path`, from wherever it is to its end; its records by name."""
    path.mkdir(exist_ok=True)
    store = TrialStore(SPEC, sqlite_url(path), primary="fid_digits_100_ema")
    try:
        session = Session(SPEC, Options("alike.toml", path), Console(quiet=True), Folder(path), store)
        if session.folder.study() is None:
            facts = context.facts(process.context_of(executor.setup))
            tables.write_study(path, study_json.content(session, facts, None))
        Engine(session, executor, Silent()).conduct()
        return dict(store.records)
    finally:
        store.close()


def shown(path):
    """All that a results folder says of the runs but times and energy, and who trained what first."""
    runs = pd.read_csv(path / "runs.csv", dtype=str).drop(columns=MEASURED).drop(columns=SHARED, errors="ignore")
    runs = runs.drop(columns=runs.filter(like="joules_").columns)
    curves = pd.read_csv(path / "curves.csv", dtype=str).drop(columns="seconds")
    texts = [runs.to_csv(), curves.to_csv(), *((path / name).read_text() for name in ("traces.csv", "evaluations.csv"))]
    return texts, {grid.name: grid.read_bytes() for grid in (path / "samples").glob("*.png")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study with every run trained by itself, as a worker does that shares no folder with the driver."""
    path = tmp_path_factory.mktemp("alone")
    records = trained(path, Here(None))
    assert not any(each.shared_steps for each in records.values())
    assert not set(SHARED) & set(pd.read_csv(path / "runs.csv").columns)
    return path


def test_shared_runs_have_the_numbers_and_pictures_of_those_trained_alone(alone, tmp_path, steps_trained, monkeypatch):
    counter = Counter("processor", lambda: 2.0 * steps_trained[0])
    monkeypatch.setattr(process, "_meter", lambda setup: Meter([counter]))
    executor = Here(tmp_path / "checkpoints")
    records = trained(tmp_path, executor)
    assert shown(tmp_path) == shown(alone)
    search = Prefixes(SPEC).beginnings(sorted(READY, key=lambda each: executor.begun.index(each.run)))
    assert search
    for run, beginning in search.items():
        assert (records[run].shared_steps, records[run].shared_from) == (beginning.steps, beginning.run)
        trunk = [point.seconds for point in records[beginning.run].curve if point.step <= beginning.steps]
        assert records[run].seconds > records[run].shared_seconds >= max(trunk, default=0)
    again = next(each for each in records.values() if each.phase == "variance")
    assert (again.shared_steps, again.shared_from) == (STEPS, f"confirm-wsd-{again.run[-9:]}")
    assert not any(each.shared_steps for each in records.values() if each.schedule == "other")
    for each in records.values():  # two joules a step, whoever trained it
        assert each.joules == {"processor": 2.0 * each.last_step}
        assert each.shared_joules == ({"processor": 2.0 * each.shared_steps} if each.shared_steps else {})
    assert not list((tmp_path / "checkpoints").glob("*"))  # forks and notes are gone
    for read in reading.records(tmp_path):
        for name in (*SHARED, "joules", "shared_joules"):
            assert getattr(read, name) == getattr(records[read.run], name)


def test_forks_that_are_lost_damaged_or_of_another_machine_cost_time_alone(alone, tmp_path):
    harms = [
        lambda fork: fork.unlink(),
        lambda fork: fork.write_bytes(fork.read_bytes()[:-1]),
        lambda fork: remade(fork, machine={"cpu": "another"}),
        lambda fork: remade(fork, identity="of another run"),
        lambda fork: fork.write_bytes(b""),
    ]
    done = []

    def harm(design, fork):
        if fork is not None:
            harms[len(done) % len(harms)](fork)
            done.append(design.run)

    records = trained(tmp_path, Here(tmp_path / "checkpoints", before=harm))
    assert len(done) >= len(harms)
    assert not any(each.shared_steps for each in records.values())
    assert shown(tmp_path) == shown(alone)


def remade(fork, **changes):
    """The same fork with another mark, and whole."""
    stored = checkpoints.read(fork)
    mark = stored.meta["fork"] | changes
    checkpoints.save(fork, stored.arrays, {**stored.meta, "fork": mark}, lasting=False)


def test_a_study_that_is_stopped_and_killed_on_the_way_goes_on_from_its_forks(alone, tmp_path):
    work = tmp_path / "checkpoints"
    stopped = set()

    def stop(design, fork):
        if fork is not None and design.run not in stopped:  # after its first steps beyond the fork
            stopped.add(design.run)
            (work / STOP).touch()

    class Killed(Exception):
        pass

    def kill(design, fork):
        if fork is not None:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path, Here(work, before=kill))
    assert list(work.glob(PATTERN))
    records = trained(tmp_path, Here(work, before=stop))
    assert stopped
    assert {run for run, each in records.items() if each.shared_steps} >= stopped
    assert shown(tmp_path) == shown(alone)


def test_a_run_waits_for_its_fork_only_as_long_as_one_comes(tmp_path, monkeypatch):
    sharing = Sharing(SPEC, tmp_path)
    trunk = next(each for each in READY if each.schedule == "constant")
    heir = next(each for each in READY if (each.schedule, each.point) == ("wsd", trunk.point))
    sharing.begin(trunk, READY, set())
    forks = json.loads((tmp_path / f"{trunk.run}{FORKS}").read_text())
    assert forks["begins"] == ""
    _, name = forks["leaves"][0]
    running, shown = {trunk.run}, tmp_path / f"{trunk.run}.progress"
    assert sharing.waits(heir, running)
    assert not sharing.waits(heir, set())  # the trunk has ended
    assert not sharing.waits(trunk, running)
    shown.write_text(json.dumps({"step": 1, "scores": {}}))
    assert sharing.waits(heir, running)
    shown.write_text(json.dumps({"step": max(step for step, _ in forks["leaves"]) + 1, "scores": {}}))
    assert not sharing.waits(heir, running)  # the trunk is past it, and has left none
    shown.unlink()
    begun = sharing._begun[trunk.run]
    monkeypatch.setattr("time.monotonic", lambda: begun + SILENT_SECONDS + 1)
    assert not sharing.waits(heir, running)  # the trunk's worker writes into no folder of ours
    (tmp_path / name).touch()
    sharing.end(trunk, [each for each in READY if each is not trunk])
    assert (tmp_path / name).exists()
    for each in READY:
        sharing.end(each, [])
    assert not (tmp_path / name).exists()


def test_nothing_is_shared_where_the_study_says_so(tmp_path):
    safety = SPEC.safety.model_copy(update={"share": False})
    sharing = Sharing(SPEC.model_copy(update={"safety": safety}), tmp_path)
    for design in READY:
        sharing.begin(design, READY, set())
    assert not list(tmp_path.iterdir())


def test_any_number_of_slots_trains_every_run_once(tmp_path):
    made = []
    for slots in (1, 4):
        executor = Instant(slots=slots)
        frame, _ = conduct(SPEC, tmp_path / str(slots), executor)
        assert sorted(executor.made) == sorted(frame["run"])
        made.append(sorted(executor.made))
    assert made[0] == made[1]


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "no space left on device")


def test_forks_take_at_most_a_tenth_of_the_free_disk_and_a_full_one_stops_no_run(tmp_path, monkeypatch):
    name = f"fork-{Prefixes(SPEC).group(READY[0])}-30-0.npz"
    forks = RunForks(SPEC, READY[0], {}, tmp_path, Forks(leaves={30: name}))
    weights = {"weights": np.zeros(1000, np.float32)}
    assert (forks.until(10, 50), forks.until(30, 50)) == (30, 50)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=39_999))
    forks.leave(30, weights, {})
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=40_000))
    with monkeypatch.context() as full:
        full.setattr(checkpoints, "save", no_space)
        forks.leave(30, weights, {})
    assert not list(tmp_path.iterdir())
    forks.leave(30, weights, {})
    assert RunForks(SPEC, READY[0], {}, tmp_path, Forks(name)).found() is not None
    assert RunForks(SPEC, READY[0], {"cpu": "another"}, tmp_path, Forks(name)).found() is None
