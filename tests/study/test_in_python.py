"""`harness.Study`: the study file in keywords, the command's functions behind it, interrupted and resumed by the same call."""

import dataclasses
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import tomllib

import numpy as np
import pytest

import harness
from harness import run_study
from harness.driver import actions, conduct, dry_run, notebook, session
from harness.driver.database import AddressError
from harness.executors.executor import WorkerFault
from harness.spec import Range, ScheduleSpec, StudySpec, digest
from harness.spec.section import marked
from tests.report.example import results
from tests.study.conftest import TEXT
from tests.study.test_claim import Asked
from tests.study.test_engine import FACTS, comparable

FILE = TEXT.format(trials=2, sampler="sobol", allocation="balanced", top=0, seeds=2, more="")
TABLES = tomllib.loads(FILE)


@pytest.fixture
def instant(tmp_path, monkeypatch):
    """Runs that end at once, in a folder of their own; the executor, whose `fate` may be changed."""
    monkeypatch.chdir(tmp_path)
    executor = Asked(FACTS)
    monkeypatch.setattr(conduct, "start", lambda *_, **__: executor)
    return executor


def test_keywords_are_the_tables_of_a_study_file(tmp_path):
    (tmp_path / "small.toml").write_text(FILE, encoding="utf-8")
    loaded = harness.Study.load(tmp_path / "small.toml")
    assert harness.Study(**TABLES).spec == loaded.spec
    assert harness.Study(**tomllib.loads(loaded.to_toml())).spec == loaded.spec
    other = TABLES | {
        "seed": np.int64(7),
        "title": None,
        "space": {"peak": Range(low=1e-4, high=1e-2, log=True)},
        "schedules": {**TABLES["schedules"], "linear": ScheduleSpec.model_validate({"kind": "linear"})},
        "evaluate": TABLES["evaluate"] | {"metrics": ()},
    }
    assert digest(harness.Study(**other).spec) == digest(loaded.spec)


def test_help_and_completion_know_every_table():
    named = [name for name, field in StudySpec.model_fields.items() if name != "code" and not marked(field, "retired")]
    assert list(inspect.signature(harness.Study).parameters) == [*named, "allow_code"]
    assert harness.Study.load("quick").spec == harness.Study.load().spec


def test_faults_are_the_file_s_sentences_and_exceptions_of_one_kind(tmp_path, monkeypatch):
    with pytest.raises(harness.StudyError) as fault:
        harness.Study(**TABLES | {"train": {"stps": 3}})
    assert str(fault.value).splitlines() == [
        "study 'small': missing key 'train.steps', which has no default",
        f"study 'small': unknown key 'train.stps': did you mean 'steps'? allowed here: {str(fault.value).split('here: ')[1]}",
    ]
    with pytest.raises(harness.StudyError, match=r"absent\.toml: cannot be read"):
        harness.Study.load(tmp_path / "absent.toml")
    monkeypatch.chdir(tmp_path)
    study = harness.Study(**TABLES)
    (tmp_path / "file").write_text("x")
    with pytest.raises(harness.StudyError, match=r"^output is file, which is a file; allowed is a folder$"):
        study.run(output="file")
    with pytest.raises(harness.StudyError, match="workers is 0, but allowed is a whole number from 1"):
        study.run(workers=0)
    with pytest.raises(harness.StudyError, match="executor is 'slurm', but allowed is one of: local, ray"):
        study.run(executor="slurm")
    with pytest.raises(harness.StudyError, match="but allowed is one of them"):
        study.run(executor="other", cluster="auto")
    with pytest.raises(harness.StudyError, match=r"train\.threads is 200, but this machine has"):
        harness.Study(**TABLES | {"train": {"steps": 40, "threads": 200}}).check()
    assert issubclass(harness.StudyError, ValueError)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_study_is_run_as_the_command_runs_it_and_again_trains_nothing(instant, tmp_path, capsys):
    (tmp_path / "small.toml").write_text(FILE, encoding="utf-8")
    assert run_study.main(["small.toml", "--output", "command", "--no-report"]) == 0
    made = len(instant.made)
    found = harness.Study(**TABLES).run()
    assert (found.path.as_posix(), len(found.runs)) == ("results/small", made)
    assert comparable(tmp_path / "command") == comparable(found.path)
    assert (found.path / "report.html").is_file()
    assert list(found.verdicts["schedule"]) == ["linear", "exponential"]
    assert not found.decided
    again = harness.Study(**TABLES).run(quiet=True, report=False)
    assert len(instant.made) == 2 * made
    assert again.values() == found.values()
    assert found.study.command == "python -m harness.run_study results/small/study.toml"
    words = ["results/small/study.toml", "--quiet", "--no-report"]  # the file that the command names
    assert run_study.main(words) == 0
    assert run_study.main([*words, "--fail-if-undecided"]) == 3
    assert run_study.main(["small.toml", "--dry-run", "--fail-if-undecided"]) == 2
    assert len(instant.made) == 2 * made


def test_interrupted_once_it_says_how_to_go_on_and_the_same_call_does(instant):
    before = signal.getsignal(signal.SIGINT)

    def fate(design, attempt):
        if len(instant.made) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return "finished"

    instant.fate = fate
    study = harness.Study(**TABLES)
    with pytest.raises(KeyboardInterrupt) as stopped:
        study.run(output="mine", quiet=True)
    assert str(stopped.value).endswith("unfinished ones have checkpoints; go on with: run(output='mine') again")
    assert signal.getsignal(signal.SIGINT) is before
    assert len(study.run(output="mine", quiet=True, report=False).runs) == 3 * (2 + 2)
    assert len(set(instant.made)) == len(instant.made)


def test_interrupted_twice_the_workers_end_and_the_caller_goes_on(instant):
    killed = []
    instant.kill = lambda: killed.append(True)

    def fate(design, attempt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return "finished"

    instant.fate = fate
    with pytest.raises(KeyboardInterrupt, match="everything finished is stored; go on with"):
        harness.Study(**TABLES).run(output="mine", quiet=True)
    assert killed == [True]


def test_a_thread_leaves_signals_alone(instant):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    found, seen = [], []

    def fate(design, attempt):
        seen.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
        return "finished"

    instant.fate = fate
    thread = threading.Thread(target=lambda: found.append(harness.Study(**TABLES).run(quiet=True, report=False)))
    thread.start()
    thread.join()
    assert len(found[0].runs) == len(seen) == 3 * (2 + 2)
    assert all(handlers == before for handlers in seen)


def test_a_study_that_cannot_go_on_is_told_apart_from_one_that_cannot_begin(instant, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(harness.StudyFailed, match="is damaged"):
        harness.Study(**TABLES).run(output="mine", quiet=True)


PROBE = {"step": 0.01, "evaluation": 0.5, "set_up": 3.0, "grid": 1000, "checkpoint": 1e5}


def test_a_dry_run_is_what_the_command_knows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dry_run, "_measured", lambda *_: (PROBE, FACTS | {"sanity": []}))
    (tmp_path / "small.toml").write_text(FILE, encoding="utf-8")
    assert run_study.main(["small.toml", "--dry-run", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    known = harness.Study(**TABLES).dry_run()
    assert known.values() == printed
    assert (known.runs, known.stored, known.remaining, known.workers) == (12, 0, 12, printed["workers"])
    said = repr(known)
    assert "small: planned runs" in said
    assert "12 runs of 40 steps: 10.00 ms per step" in said
    assert " --" not in said
    assert f"warning: {known.warnings[0]}" in said
    assert [each.name for each in tmp_path.iterdir()] == ["small.toml"]
    with pytest.raises(harness.StudyError, match=r"^noise_from: absent"):
        harness.Study(**TABLES).dry_run(noise_from="absent")


OWN = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Half:
    kind = "half"
    def __call__(self, progress):
        return 0 * progress + 0.5
"""


def test_a_study_s_own_schedule_is_known_after_another_study_was_loaded(instant, tmp_path):
    (tmp_path / "half.py").write_text(OWN, encoding="utf-8")
    schedules = {"constant": {}, "half": {"kind": "half.py:Half"}}
    study = harness.Study(**TABLES | {"schedules": schedules}, allow_code=True)
    refused = harness.Study(**TABLES | {"schedules": schedules})
    with pytest.raises(harness.StudyError, match="executed only with allow_code"):
        refused.check()
    study.check()
    assert set(study.run(quiet=True, report=False).runs["schedule"]) == {"constant", "half"}


SCRIPT = """
import os
from concurrent.futures import ProcessPoolExecutor
from harness.executors.spawn import SpawnAlone
print("once", flush=True)
assert ProcessPoolExecutor(1, mp_context=SpawnAlone()).submit(os.getpid).result() != os.getpid()
"""


def test_a_worker_does_not_begin_a_script_without_a_guard_anew(tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr


def test_what_a_notebook_shows_is_escaped_in_place_and_seldom(monkeypatch):
    shown = []

    class Handle:
        def update(self, content, raw):
            shown.append(("update", content))

    def display(content, raw, display_id):
        shown.append(("display", content))
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython", type(sys)("IPython"))
    module = type(sys)("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    with notebook.Output() as screen:
        for text in ("<b>first", "second", "third"):
            screen.update(text)
    assert [kind for kind, _ in shown] == ["display", "update"]
    assert [content["text/plain"] for _, content in shown] == ["<b>first\n", "third\n"]
    assert "<b>" not in shown[0][1]["text/html"]


def test_any_other_error_passes_as_it_is(tmp_path):
    options = harness.Study(**TABLES)._options(output=tmp_path)
    with pytest.raises(ZeroDivisionError), actions.faults(options):
        raise ZeroDivisionError
    with pytest.raises(harness.StudyFailed, match=r"^x: no space left.*the same call goes on"), actions.faults(options):
        raise OSError(28, "No space left on device", "x")


def test_whatever_is_told_in_python_names_parameters_and_whatever_the_command_tells_its_options(tmp_path, capsys):
    options = harness.Study(**TABLES)._options(output=tmp_path)
    sentence = (
        "--workers-per-gpu changes nothing; try fewer --workers, or: optuna storage upgrade --storage='sqlite:///x'"
    )
    session.warn(sentence, options)
    session.warn(sentence, dataclasses.replace(options, in_python=False))
    renamed = "workers_per_gpu changes nothing; try fewer workers, or: optuna storage upgrade --storage='sqlite:///x'"
    assert capsys.readouterr().err.splitlines() == [f"warning: {renamed}", f"warning: {sentence}"]
    for raised, told in ((WorkerFault, harness.StudyFailed), (AddressError, harness.StudyError)):
        with pytest.raises(told) as fault, actions.faults(options):
            raise raised(sentence)
        assert str(fault.value) == renamed


def test_every_parameter_that_is_an_option_is_named_as_such():
    taken = {name for call in (harness.Study.run, harness.Study.dry_run) for name in inspect.signature(call).parameters}
    options = {f"--{name.replace('_', '-')}" for name in taken} & set(run_study.parser()._option_string_actions)
    assert set(session.PARAMETERS) == options - {"--quiet", "--verbose"} | {"--allow-code"}


def test_results_of_a_folder_are_the_same_object(tmp_path):
    assert isinstance(harness.load_results(results(tmp_path / "out", seeds=2, trials=1, points=1)), harness.Results)
