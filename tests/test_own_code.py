"""A user's own code: told by its hash, executed only where it is allowed, carried to workers, kept beside the results."""

import csv
import dataclasses
import json
import pickle
import shutil
import subprocess
import sys

import pytest

from harness import kinds, own_code, run_study, schedules
from harness.kinds import KindError
from harness.own_code import CodeError, Named
from harness.spec import SpecError, digest, growth_faults, load, resolved
from harness.worker.process import WorkerSetup
from tests import own_code_example as example


def changed(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def faults(path, **options):
    with pytest.raises(SpecError) as told:
        load(path, **options)
    return [line.removeprefix(f"{path}: ") for line in str(told.value).splitlines()]


def test_the_hash_of_every_file_is_part_of_a_study_and_its_content_only_where_it_may_be_executed(tmp_path):
    path = example.write(tmp_path)
    read = load(path)
    assert set(read.code) == {"mine.py", "waves.py"}
    assert read.code["waves.py"] == own_code.sha256((tmp_path / "waves.py").read_bytes())
    assert read.sources == {}
    allowed = load(path, allow_code=True)
    assert allowed.sources["mine.py"] == (tmp_path / "mine.py").read_bytes()
    assert digest(allowed) == digest(read)
    changed(tmp_path / "mine.py", "0.9 - real", "0.8 - real")
    assert digest(load(path)) != digest(read)


def test_parts_in_lists_are_code_as_well(tmp_path):
    spec = load(example.write(tmp_path, train='penalties = ["mine.py:drift", "r1"]\naugment = ["mine.py:noisy"]'))
    named = {(each.key, each.role, each.name) for each in spec.named_code()}
    assert {
        ("train.penalties[0]", "penalty", "mine.py:drift"),
        ("train.augment[0]", "augmentation", "mine.py:noisy"),
    } < named
    assert not any(name == "r1" for *_, name in named)


def test_studies_without_code_have_no_word_of_it():
    from harness.spec import builtin

    assert "code" not in resolved(builtin())


def test_file_and_make_are_another_way_to_write_a_name(tmp_path):
    path = example.write(tmp_path)
    before = digest(load(path))
    changed(path, 'file = "mine.py"', 'name = "mine.py:build"')
    assert digest(load(path)) == before
    changed(path, 'name = "mine.py:build"', 'file = "mine.py"\nname = "dcgan"')
    assert faults(path) == ["network has a name and a file: give one of them"]


def test_a_resolved_study_says_the_same_and_finds_its_files_in_the_folder_of_copies(tmp_path):
    from harness.spec import to_toml

    spec = load(example.write(tmp_path / "before"))
    copies = tmp_path / "after" / own_code.FOLDER
    shutil.copytree(tmp_path / "before", copies)
    written = tmp_path / "after" / "study.toml"
    written.write_text(to_toml(spec), encoding="utf-8")
    assert digest(load(written)) == digest(spec)
    changed(copies / "waves.py", "0.5 + 0.5", "0.4 + 0.6")
    (said,) = faults(written)
    assert said.startswith("code.waves.py is ")
    assert "it has changed since; put it back, or give the study another name" in said


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("own.toml", '"waves.py"', '"tides.py"', "schedules.waves.kind is 'tides.py', but there is no file"),
        ("mine.py", "def build(", "def build((", "network.name is 'mine.py:build', but mine.py line 14 is not Python"),
        (
            "own.toml",
            "mine.py:softened",
            "mine.py:softend",
            "train.loss is 'mine.py:softend', but mine.py has nothing of the",
        ),
        (
            "own.toml",
            '"mine.py"\n',
            '"../mine.py"\n',
            "network.file is '../mine.py' with make 'build', but allowed is the",
        ),
        ("own.toml", "latent = 8", "width = 8", "unknown key 'network.width': allowed here: name, options, latent"),
    ],
)
def test_what_shows_without_executing_is_refused_by_key(tmp_path, file, old, new, said):
    path = example.write(tmp_path)
    changed(tmp_path / file, old, new)
    assert any(line.startswith(said) for line in faults(path)), faults(path)


def test_a_schedule_may_name_files_for_its_optimizer_and_the_shapes_of_networks(tmp_path):
    more = '[schedules.other]\nkind = "linear"\noptimizer = "slow.py"\n[schedules.other.generator]\nkind = "waves.py"\nperiods = 2\n'
    path = example.write(tmp_path, more=more)
    assert faults(path) == [
        f"schedules.other.optimizer is 'slow.py', but there is no file {tmp_path / 'slow.py'} or {tmp_path / 'code' / 'slow.py'}"
    ]
    changed(path, 'optimizer = "slow.py"\n', "")
    spec = load(path, allow_code=True)
    assert spec.whole("other") == {"generator.periods"}
    assert [each.key for each in spec.named_code()].count("schedules.other.generator.kind") == 1
    changed(path, "periods = 2", "period = 2")
    assert "schedules.other.generator: waves.py has no field 'period' (did you mean" in faults(path, allow_code=True)[0]


def test_all_faults_of_all_files_are_named_at_once(tmp_path):
    path = example.write(tmp_path)
    (tmp_path / "waves.py").unlink()
    changed(path, "mine.py:pixels", "mine.py:pixel")
    assert len(faults(path)) == 2


def test_settings_of_a_schedule_of_ones_own_are_checked_by_its_declaration(tmp_path):
    path = example.write(tmp_path)
    load(path, allow_code=True)
    assert schedules.whole_fields("waves.py") == {"periods"}
    changed(path, "periods = 3", "period = 3")
    assert "no field 'period' (did you mean 'periods'?)" in faults(path, allow_code=True)[0]
    load(path)  # not executed, not judged
    assert schedules.whole_fields("waves.py") == frozenset()


def test_a_file_that_fails_is_told_with_its_line(tmp_path):
    path = example.write(tmp_path)
    changed(tmp_path / "waves.py", "import numpy as np", "import numpy as np\nimport nobody_has_this")
    (said,) = faults(path, allow_code=True)
    assert "schedules.waves.kind is 'waves.py', but waves.py line 6 fails with ModuleNotFoundError" in said
    assert "single files" in said


def test_nothing_is_executed_without_leave(tmp_path, capsys, monkeypatch):
    path = example.write(tmp_path)
    for file in ("mine.py", "waves.py"):
        with (tmp_path / file).open("a", encoding="utf-8") as stream:
            stream.write("\nraise SystemExit('executed')\n")
    monkeypatch.chdir(tmp_path)
    for words in ([], ["--dry-run"]):
        assert run_study.main([str(path), *words]) == 2
        lines = capsys.readouterr().err.splitlines()
        keys = [line.split(": ")[1].split(" is ")[0] for line in lines]
        assert keys == ["network.name", "train.loss", "schedules.waves.kind", "evaluate.features", "evaluate.metrics"]
        assert all("only with --allow-code" in line for line in lines)
    assert not (tmp_path / "results").exists()


def test_a_dry_run_without_leave_names_other_faults_too(tmp_path, capsys, monkeypatch):
    path = example.write(tmp_path)
    changed(path, "batch = 16", "batch = 16\nthreads = 256")
    monkeypatch.chdir(tmp_path)
    assert run_study.main([str(path), "--dry-run"]) == 2
    assert "train.threads is 256" in capsys.readouterr().err


def test_code_travels_within_a_workers_set_up(tmp_path):
    spec = load(example.write(tmp_path), allow_code=True)
    setup = WorkerSetup(spec, work=None, cache=None, gpu=None, commit="test")
    shutil.rmtree(tmp_path)
    arrived = pickle.loads(pickle.dumps(setup))
    assert arrived == setup
    assert arrived.spec.sources == spec.sources
    assert arrived.spec.network.options == {"width": 4}


def test_the_driver_executes_schedules_alone_and_loads_no_tensorflow(tmp_path):
    path = example.write(tmp_path)
    probe = (
        "import sys; from pathlib import Path; from harness.spec import load; from harness.driver import preflight\n"
        f"spec = load(Path({str(path)!r}), allow_code=True)\n"
        "preflight.check(spec, source='study')\n"
        "print(sorted(name for name in ('tensorflow', 'keras') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_added_schedule_may_bring_a_file_of_its_own(tmp_path):
    path = example.write(tmp_path)
    before = load(path)
    shutil.copy(tmp_path / "waves.py", tmp_path / "tides.py")
    changed(path, "[search]", '[schedules.tides]\nkind = "tides.py"\n[search]')
    assert growth_faults(before, load(path)) == {}
    changed(tmp_path / "waves.py", "0.5 + 0.5", "0.4 + 0.6")
    assert list(growth_faults(before, load(path))) == ["code.waves.py"]


def test_a_name_that_is_taken_cannot_be_declared_again():
    from harness.models.model import LossPart

    part = LossPart(name="hinge", help="", build=lambda settings: None)
    with pytest.raises(KindError, match="declares a loss 'hinge', a name that is taken"):
        kinds.adopt("loss", "mine.py", part)


def test_a_file_without_the_part_says_which_it_has(tmp_path):
    named = Named("train.loss", "loss", "mine.py:build")
    source = example.MINE.encode()
    with pytest.raises(CodeError, match=r"mine\.py has no loss 'build': its parts of that role are: softened"):
        own_code.adopt([named], {"mine.py": source}, make={})


def study(folder, *words, cwd):
    """The exit status, output and errors of `run_study`."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.run_study", *map(str, words)], cwd=cwd, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_study_of_own_parts_trains_from_anywhere_and_is_reproduced_from_its_copy(tmp_path):
    path = example.write(tmp_path / "mine", train=example.EVERY_PART)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code, _, err = study(path, path, "--allow-code", "--workers", 2, "--quiet", cwd=elsewhere)
    assert code == 0, err
    results = elsewhere / "results" / "own"
    assert (results / "code" / "mine.py").read_bytes() == (path.parent / "mine.py").read_bytes()
    with (results / "curves.csv").open(encoding="utf-8") as stream:
        row = next(csv.DictReader(stream))
    assert {"fid_pixels_100", "brightness_pixels_100", "brightness_pixels_100_ema", "rate_generator"} <= set(row)
    assert "--allow-code" in json.loads((results / "study.json").read_text(encoding="utf-8"))["command"]

    changed(path.parent / "mine.py", "0.9 - real", "0.8 - real")
    code, _, err = study(path, path, "--allow-code", cwd=elsewhere)
    assert code == 2
    assert "code.mine.py" in err
    shutil.rmtree(path.parent)

    def again(module, *words):
        done = subprocess.run(
            [sys.executable, "-m", module, str(results), *words], cwd="/", capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    code, said = again("harness.reproduce")
    assert code == 2
    assert "only with --allow-code" in said
    code, said = again("harness.reproduce", "--allow-code", "--runs", "all")
    assert code == 0, said
    page = (results / "report.md").read_bytes()
    code, said = again("harness.report")  # from stored rates: it executes nothing
    assert code == 0, said
    assert (results / "report.md").read_bytes() == page


@pytest.mark.slow
def test_a_study_of_a_kind_of_ones_own_names_its_columns_by_its_networks_and_losses(tmp_path):
    path = example.write(
        tmp_path, name="kind", network='make = "Autoencoder"\noptions = { width = 8 }', train="",
        more='[model]\nname = "own"',
    )  # fmt: skip
    code, _, err = study(path, path, "--allow-code", "--workers", 1, "--quiet", "--no-report", cwd=tmp_path)
    assert code == 0, err
    with (tmp_path / "results" / "kind" / "curves.csv").open(encoding="utf-8") as stream:
        names = next(csv.reader(stream))
    assert [name for name in names if name.startswith(("rate_", "loss_"))] == [
        "rate_encoder",
        "rate_decoder",
        "loss_fit",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "options = { width = 4 }",
            "options = { wide = 4 }",
            "network.name is 'mine.py:build', but mine.py fails with TypeError",
        ),
        ('file = "mine.py"', 'file = "mine.py"\nmake = "Autoencoder"', "network.latent is set, but the length of"),
        ("batch = 16", 'batch = 16\napplies_to = "encoder"', "train.applies_to is 'encoder', but allowed is one of"),
        ("mine.py:pixels", "mine.py:brightness", "no features 'brightness': its parts of that role are: pixels"),
    ],
)
def test_what_a_worker_finds_wrong_is_bad_input_and_told_before_anything_is_trained(tmp_path, old, new, said):
    path = example.write(tmp_path)
    changed(path, old, new)
    code, _, err = study(path, path, "--allow-code", "--workers", 1, cwd=tmp_path)
    assert code == 2, err
    assert said in err
    assert not (tmp_path / "results" / "own" / "runs.csv").exists()


@pytest.mark.parametrize("role", ["model", "network", "loss", "penalty", "augmentation", "optimizer", "schedule"])
def test_a_part_that_is_not_executed_yet_has_all_that_a_study_file_is_checked_by(role):
    known = {field.name for field in dataclasses.fields(kinds.Unread)}
    for part in kinds.parts(role).values():
        assert {field.name for field in dataclasses.fields(part)} <= known, part.name
