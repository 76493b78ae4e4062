"""The command line: bad input refused with nothing written; a real study, killed and resumed, gives the same tables."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.campaigns.faults import tables
from harness import run_study
from harness.models import checkpoints as stored
from harness.worker.process import STOP

STUDY = """
name = "tiny"
seed = 3
[data]
name = "digits"
[network]
latent = 8
width = 4
[train]
steps = {steps}
batch = 16
ema = 0.9
[evaluate]
features = "digits"
generated = 100
points = 2
[space]
peak = {{ low = 1e-3, high = 1e-2, log = true }}
[schedules.constant]
[schedules.linear]
[search]
trials = 1
[confirm]
seeds = {seeds}
[safety]
checkpoint_seconds = 0.3
retries = 20
"""


def write(folder, *, steps=40, seeds=2, change=lambda text: text):
    path = folder / "tiny.toml"
    path.write_text(change(STUDY.format(steps=steps, seeds=seeds)), encoding="utf-8")
    return path


def start(*words, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "harness.run_study", *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*words, cwd):
    process = start(*words, cwd=cwd)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


BAD = {
    "misspelt key": (lambda text: text.replace("batch", "bacth"), "unknown key 'train.bacth': did you mean 'batch'"),
    "unknown data set": (lambda text: text.replace('name = "digits"', 'name = "digts"'), "data.name is 'digts'"),
    "features of another size": (
        lambda text: text.replace('features = "digits"', 'features = "fashion_mnist"'),
        "evaluate.features is 'fashion_mnist', which takes images of 28 or 32 pixels",
    ),
    "article needs 32x32x3": (
        lambda text: text.replace("[network]", '[network]\nname = "article"'),
        "network.name is 'article', which makes 32x32x3 images",
    ),
    "empty folder": (
        lambda text: text.replace('name = "digits"', 'name = "folder"\ndata_dir = "."\nsize = 8', 1),
        "holds no images",
    ),
    "threads": (lambda text: text.replace("batch = 16", "threads = 200"), "train.threads is 200, but this machine has"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_sentence_exit_2_and_nothing_written(case, tmp_path):
    change, words = BAD[case]
    path = write(tmp_path, change=change)
    code, out, err = run(path, cwd=tmp_path)
    assert code == 2
    assert words in err
    assert "tiny.toml" in err
    assert "Traceback" not in err + out
    assert len(err.strip().splitlines()) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.toml"]


def test_outputs_that_cannot_be_used_are_refused(tmp_path):
    path = write(tmp_path)
    (tmp_path / "file").write_text("x")
    code, _, err = run(path, "--output", tmp_path / "file", cwd=tmp_path)
    assert (code, "which is a file; allowed is a folder" in err) == (2, True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    code, _, err = run(path, "--output", tmp_path / "full", cwd=tmp_path)
    assert (code, "holds other files (thesis.tex)" in err) == (2, True)
    assert (tmp_path / "full" / "thesis.tex").read_text() == "x"
    code, _, err = run(tmp_path / "absent.toml", cwd=tmp_path)
    assert (code, "absent.toml: cannot be read as a text file (no such file or directory)" in err) == (2, True)


def test_help_takes_less_than_a_second_of_processor_time(tmp_path):
    before = os.times().children_user + os.times().children_system
    code, out, _ = run("--help", cwd=tmp_path)
    spent = os.times().children_user + os.times().children_system - before
    assert (code, "STUDY.toml" in out) == (0, True)
    assert spent < 1.0


def test_list_names_the_studies_of_the_folder_with_their_titles_or_first_fault(tmp_path, monkeypatch, capsys):
    (tmp_path / "studies").mkdir()
    write(tmp_path / "studies", change=lambda text: text.replace("seed = 3", 'seed = 3\ntitle = "[bold] tiny"'))
    (tmp_path / "studies" / "broken.toml").write_text("name = 3", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run_study.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert "[bold] tiny" in out
    assert "built-in 'quick'" in out
    assert "cannot be run: " in out


def test_verbose_and_quiet_exclude_each_other_and_help_states_exit_codes(capsys):
    with pytest.raises(SystemExit) as ended:
        run_study.main(["--quiet", "--verbose"])
    assert ended.value.code == 2
    assert "exit status: 0 done; 1 " in run_study.parser().format_help()


def test_list_and_schema(tmp_path):
    code, out, _ = run("--list", cwd=tmp_path)
    assert code == 0
    for word in ("digits", "article", "rex", "inception"):
        assert word in out
    code, out, _ = run("--schema", cwd=tmp_path)
    assert "schedules" in json.loads(out)["properties"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tiny study without any interruption, one worker."""
    folder = tmp_path_factory.mktemp("whole")
    code, out, err = run(write(folder, steps=600), "--workers", 1, cwd=folder)
    assert code == 0, err
    assert "Report:" in out
    return folder / "results" / "tiny"


@pytest.mark.slow
def test_a_study_ends_with_tables_page_samples_and_nothing_left_over(whole):
    names = {each.name for each in whole.iterdir()}
    expected = {
        "runs.csv",
        "curves.csv",
        "summary.csv",
        "contrasts.csv",
        "report.html",
        "report.md",
        "study.db",
        "study.json",
    }
    assert expected <= names
    assert len(list((whole / "samples").glob("*.png"))) == 2 * 6 + 1
    assert not list((whole / "checkpoints").glob("*.npz*"))
    assert set(pd.read_csv(whole / "runs.csv")["status"]) == {"finished"}


@pytest.mark.slow
def test_two_workers_give_the_same_tables_and_the_command_again_changes_nothing(whole, tmp_path):
    path = write(tmp_path, steps=600)
    code, _, err = run(path, "--workers", 2, cwd=tmp_path)
    assert code == 0, err
    mine = tmp_path / "results" / "tiny"
    assert tables(mine) == tables(whole)
    before = (mine / "runs.csv").read_bytes()
    code, out, _ = run(path, cwd=tmp_path)
    assert (code, "All runs are stored already" in out) == (0, True)
    assert (mine / "runs.csv").read_bytes() == before


def repeated(folder):
    """The tiny study with its tuning repeated, looked at after 2, 3 and 4 replicates."""
    plan = "[replicates]\nmin = 2\nmax = 4\nevery = 1\n[safety]"
    return write(folder, steps=100, seeds=1, change=lambda text: text.replace("[safety]", plan))


@pytest.fixture(scope="module")
def whole_repeated(tmp_path_factory):
    """The results of that study without any interruption."""
    folder = tmp_path_factory.mktemp("repeated")
    code, out, err = run(repeated(folder), "--workers", 2, "--tensorboard", "board", cwd=folder)
    assert code == 0, err
    for number, count in enumerate((2, 3, 4), start=1):
        said = "undecided" if number < 3 else "descriptive only"
        assert f"look {number} of 3 ({count} replicates): linear {said}" in out
    assert "[1/at most 16] " in out
    assert "to the next look, at most" in out
    return folder / "results" / "tiny"


@pytest.mark.slow
def test_a_replicated_study_killed_between_and_before_looks_ends_in_the_same_tables(whole_repeated, tmp_path):
    path, mine = repeated(tmp_path), tmp_path / "results" / "tiny"
    for pictures in (3, 9):  # within the first look's replicates, and after that look
        process = start(path, "--workers", 2, cwd=tmp_path)
        while process.poll() is None and len(list((mine / "samples").glob("*-r000.png"))) < pictures:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    code, out, err = run(path, "--workers", 1, cwd=tmp_path)
    assert code == 0, err
    assert "look 1 of 3" not in out
    assert "look 3 of 3" in out
    assert tables(mine) == tables(whole_repeated)


@pytest.mark.slow
def test_a_replicated_study_survives_its_database_is_trained_again_bit_for_bit_and_has_its_events(
    whole_repeated, tmp_path
):
    copy = tmp_path / "results" / "tiny"
    shutil.copytree(whole_repeated, copy)
    before = {name: (copy / name).read_bytes() for name in ("runs.csv", "curves.csv", "study.json", "contrasts.csv")}
    for end in ("", "-wal", "-shm"):
        (copy / f"study.db{end}").unlink(missing_ok=True)
    code, out, err = run(repeated(tmp_path), cwd=tmp_path)
    assert (code, "lacks 16 runs that" in err, "All runs are stored already" in out) == (0, True, True), err
    assert {name: (copy / name).read_bytes() for name in before} == before
    words = [sys.executable, "-m", "harness.reproduce", str(copy), "--run", "confirm-linear-t003-p000-r000"]
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    events = whole_repeated.parents[1] / "board" / "search-linear-t002-p000-r000"
    assert len(list(events.iterdir())) == 1
    code, out, err = run(repeated(tmp_path), "--dry-run", "--json", "--noise-from", copy, cwd=tmp_path)
    told = json.loads(out)
    assert [told[key] for key in ("runs", "stored", "remaining", "runs_to_next_look")] == [16, 16, 0, 0]
    assert told["noise"]["pairs"] == 4


def hold_in_mid_run(process, checkpoints):
    """Hold a study's processes, with SIGSTOP, where one of its runs has a checkpoint and no scores yet."""
    while process.poll() is None:
        if list(checkpoints.glob("*.npz")):
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(0.02)
            if any(not stored.read(path).meta["curve"] for path in checkpoints.glob("*.npz")):
                return
            os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("the study ended before any of its runs was held")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_leaves_checkpoints_says_how_to_go_on_and_exits_130(number, whole, tmp_path):
    # A checkpoint at every look at requests to stop: one without scores says that its run will look again.
    path = write(tmp_path, steps=600, change=lambda text: text.replace("seconds = 0.3", "seconds = 1e-6"))
    process = start(path, "--workers", 2, cwd=tmp_path)
    checkpoints = tmp_path / "results" / "tiny" / "checkpoints"
    hold_in_mid_run(process, checkpoints)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    process.send_signal(signal.SIGCONT)  # the driver hears first: no run can end before it is asked to stop
    while process.poll() is None and not (checkpoints / STOP).exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "go on with: python -m harness.run_study" in err
    assert "Traceback" not in err
    assert list(checkpoints.glob("*.npz"))
    left = next(checkpoints.glob("*.npz"))  # one of them as a version with other vectors would have left it
    found = stored.read(left)
    stored.save(left, {**found.arrays, "generator": found.arrays["generator"][:-1]}, found.meta)
    code, _, err = run(path, "--workers", 2, cwd=tmp_path)
    assert code == 0, err
    assert tables(tmp_path / "results" / "tiny") == tables(whole)


@pytest.mark.slow
def test_changed_files_second_drivers_and_other_studies_are_refused(whole, tmp_path):
    changed = write(tmp_path, steps=601)
    code, _, err = run(changed, "--output", whole, cwd=tmp_path)
    assert code == 2
    assert "train.steps: 600 -> 601" in err
    other = write(tmp_path, change=lambda text: text.replace('name = "tiny"', 'name = "other"'))
    code, _, err = run(other, "--output", whole, cwd=tmp_path)
    assert (code, "holds results of the study 'tiny', not of 'other'" in err) == (2, True)
    from harness.driver import folder

    with folder.lock(folder.Folder(whole)):
        code, _, err = run(write(tmp_path, steps=600), "--output", whole, cwd=tmp_path)
    assert code == 2
    assert f"pid {os.getpid()}" in err


@pytest.mark.slow
def test_report_again_and_check(whole):
    def report(*words):
        return subprocess.run(
            [sys.executable, "-m", "harness.report", *words], capture_output=True, text=True, check=False
        )

    before = (whole / "report.md").read_bytes()
    assert report(str(whole)).returncode == 0
    assert (whole / "report.md").read_bytes() == before
    assert report(str(whole), "--check").returncode == 0
    runs = (whole / "summary.csv").read_text()
    (whole / "summary.csv").write_text(runs.replace("constant", "Constant"))
    checked = report(str(whole), "--check")
    (whole / "summary.csv").write_text(runs)
    assert (checked.returncode, "summary.csv: does not follow" in checked.stderr) == (1, True)
    assert report(str(whole.parent)).returncode == 2


@pytest.mark.slow
def test_dry_run_prints_study_plan_and_cost_and_writes_nothing(tmp_path):
    code, out, err = run(write(tmp_path), "--dry-run", cwd=tmp_path)
    assert code == 0, err
    assert "[schedules.linear]" in out
    assert "6 runs of 40 steps" in out
    assert "ms per step" in out
    assert "images: 1438 for training, 359 held out, 8x8x1 (digits)" in out
    assert "half the classes missing" in out
    assert "warning: confirm.seeds is 2, but 1 comparison" in err
    assert [each.name for each in Path(tmp_path).iterdir()] == ["tiny.toml"]


@pytest.mark.slow
def test_dry_run_of_a_stored_study_counts_what_remains_and_touches_nothing(whole, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    grown = write(tmp_path, steps=600, seeds=3)
    code, out, err = run(grown, "--output", whole, "--dry-run", "--json", cwd=tmp_path)
    assert code == 0, err
    told = json.loads(out)
    assert [told[key] for key in ("runs", "stored", "remaining")] == [8, 6, 2]
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before
    assert [each.name for each in Path(tmp_path).iterdir()] == ["tiny.toml"]


@pytest.mark.slow
def test_with_json_standard_output_is_json_alone_in_any_encoding(whole, tmp_path):
    path = write(tmp_path, steps=600)
    words = [sys.executable, "-m", "harness.run_study", str(path), "--output", str(whole), "--json", "--no-report"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["study"] == "tiny"
    assert b"All runs are stored already" in done.stderr


@pytest.mark.slow
def test_what_is_to_be_heeded_and_what_the_score_sees_is_stored_with_the_study(whole):
    study = json.loads((whole / "study.json").read_text(encoding="utf-8"))
    assert study["warnings"][:3] == [
        "confirm.seeds is 2, but 1 comparison at question.alpha = 0.05 need 6: verdicts will be descriptive only",
        "question.rope is 0: no schedule can be called equivalent to the baseline",
        "search.trials is 1: the settings of every schedule are one random draw, not the best of several",
    ]
    assert {each["damage"]: each["seen"] for each in study["sanity"]}["half the classes missing"] is True


@pytest.mark.slow
def test_a_lost_database_is_restored_from_the_tables_and_a_damaged_one_is_named(whole, tmp_path):
    copy = tmp_path / "results" / "tiny"
    shutil.copytree(whole, copy)
    path = write(tmp_path, steps=600)
    before = {name: (copy / name).read_bytes() for name in ("runs.csv", "curves.csv", "study.json", "contrasts.csv")}
    for end in ("", "-wal", "-shm"):
        (copy / f"study.db{end}").unlink(missing_ok=True)
    code, out, err = run(path, cwd=tmp_path)
    assert (code, "lacks 6 runs that" in err, err.count("\n")) == (0, True, 1)
    assert "All runs are stored already" in out
    assert {name: (copy / name).read_bytes() for name in before} == before
    (copy / "study.db").write_bytes(b"no database" * 100)
    code, _, err = run(path, cwd=tmp_path)
    assert (code, "is damaged" in err, err.count("\n")) == (1, True, 1)
    assert {name: (copy / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_storage_alone_gives_a_new_folder_the_same_tables_and_refuses_another_experiment(whole, tmp_path):
    shutil.copy(whole / "study.db", tmp_path / "shared.db")
    elsewhere = ("--storage", f"sqlite:///{tmp_path}/shared.db", "--workers", 1)
    code, _, err = run(write(tmp_path, steps=600), *elsewhere, cwd=tmp_path)
    assert code == 0, err
    mine = tmp_path / "results" / "tiny"
    for table in ("runs.csv", "curves.csv", "summary.csv", "contrasts.csv"):
        assert (mine / table).read_bytes() == (whole / table).read_bytes()
    assert not (mine / "study.db").exists()
    assert (mine / "samples" / "real.png").read_bytes() == (whole / "samples" / "real.png").read_bytes()
    assert "</html>" in (mine / "report.html").read_text(encoding="utf-8")
    code, _, err = run(write(tmp_path, steps=601), *elsewhere, "--output", tmp_path / "b", cwd=tmp_path)
    assert (code, "is another experiment (train.steps: 600 -> 601)" in err, err.count("\n")) == (1, True, 1)


@pytest.mark.slow
def test_ctrl_c_before_training_begins_is_one_sentence_too(tmp_path):
    process = start(write(tmp_path), "--workers", 1, cwd=tmp_path)
    while process.poll() is None and not (tmp_path / "results" / "tiny" / ".lock").exists():
        time.sleep(0.05)
    time.sleep(0.5)  # the worker is being set up
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: python -m harness.run_study" in err
    assert "Traceback" not in err
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.toml"]
