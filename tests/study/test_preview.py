"""What `--dry-run` knows: stored runs read without writing, the cost of the others, data, sanity, warnings."""

import io
import json
import shutil
import sqlite3

import pytest
from rich.console import Console

from harness.driver import preview, stored_runs
from harness.driver.database import AddressError, StorageError, sqlite_url
from harness.driver.folder import Folder
from harness.driver.preview import Preview
from harness.driver.prospect import Prospect
from tests.study.conftest import make
from tests.study.test_engine import Instant, conduct

FACTS = {
    "data": {"name": "digits", "train": 6000, "held_out": 5000, "shape": [8, 8, 1], "notes": ["9 files were skipped"]},
    "features": {"name": "digits", "sha256": "s", "dimensions": 64},
    "floor": {"fid_digits_500": 0.25},
    "sanity": [{"damage": "grey", "value": 0.25, "floor": 0.25, "spread": 0.1, "seen": False, "images": 500}],
}
PROBE = {"set_up": 5.0, "step": 0.01, "evaluation": 0.5, "checkpoint": 2e6, "grid": 5000.0}


def seen(spec, stored=(), *, workers=2):
    return Preview(spec, dict(stored), FACTS, PROBE, workers, Prospect(spec))


def listing(path):
    return {str(each): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.fixture
def folder(tmp_path):
    """A study of which all runs are stored."""
    conduct(make(trials=2, seeds=2), tmp_path / "out", Instant())[1].close()
    return Folder(tmp_path / "out")


def test_stored_runs_are_found_and_nothing_is_written(folder):
    before = listing(folder.path)
    found = stored_runs.runs(make(trials=3, seeds=4), folder, storage=None)
    assert listing(folder.path) == before
    assert len(found) == 3 * (2 + 2)
    assert sum(each.phase == "search" and each.schedule == "linear" for each in found.values()) == 2


def test_a_folder_whose_driver_runs_or_was_killed_is_read_with_its_log(folder):
    spec = make(trials=2, seeds=2)
    copy = Folder(folder.path.parent / "killed")
    copy.path.mkdir()
    connection = sqlite3.connect(folder.path / "study.db")
    connection.execute("DELETE FROM trial_user_attributes WHERE key = 'record' AND trial_id = 1")
    connection.commit()  # in the log only, as long as the connection lasts
    for end in ("", "-wal", "-shm"):
        shutil.copy(folder.path / f"study.db{end}", copy.path / f"study.db{end}")
    connection.close()
    assert len(stored_runs.runs(spec, copy, storage=None)) == 3 * (2 + 2) - 1


def test_nothing_is_stored_where_there_is_no_folder_and_none_is_made(tmp_path):
    spec = make()
    assert stored_runs.runs(spec, Folder(tmp_path / "out"), storage=None) == {}
    assert stored_runs.runs(spec, Folder(tmp_path / "out"), storage=f"sqlite:///{tmp_path}/shared.db") == {}
    assert list(tmp_path.iterdir()) == []


def test_tables_speak_where_the_database_is_gone_and_a_shared_one_is_read(folder, tmp_path):
    spec = make(trials=2, seeds=2)
    whole = stored_runs.runs(spec, folder, storage=None)
    address = sqlite_url(folder.path)
    assert stored_runs.runs(spec, Folder(tmp_path / "other"), storage=address) == whole
    (folder.path / "study.db").unlink()
    assert stored_runs.runs(spec, folder, storage=None) == whole


def test_another_experiment_and_a_damaged_database_are_refused_as_the_command_does(folder):
    changed = make(trials=2, seeds=2, more="[question]\nrope = 0.5")
    with pytest.raises(StorageError, match=r"another experiment \(question.rope: 0.0 -> 0.5\)"):
        stored_runs.runs(changed, folder, storage=None)
    (folder.path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match="is damaged"):
        stored_runs.runs(make(trials=2, seeds=2), folder, storage=None)


def test_only_planned_runs_count_as_done(folder):
    stored = stored_runs.runs(make(trials=2, seeds=2), folder, storage=None)
    assert preview.remaining(make(trials=2, seeds=2), stored) == 0
    assert preview.remaining(make(trials=3, seeds=4), stored) == 3 * (1 + 2)
    assert preview.remaining(make(trials=2, seeds=1), stored) == 0
    adaptive = make(trials=2, seeds=2, allocation="adaptive", sampler="tpe")
    assert preview.remaining(adaptive, stored) == 0
    assert preview.remaining(adaptive, {}) == 3 * (2 + 2)


def test_the_cost_is_of_the_remaining_runs(folder):
    spec = make(trials=3, seeds=4)
    stored = stored_runs.runs(spec, folder, storage=None)
    assert seen(spec).seconds_per_run == pytest.approx(40 * 0.01 + 2 * 0.5)
    assert seen(spec).seconds == pytest.approx(5 + 21 * 1.4 / 2)
    assert seen(spec, stored).seconds == pytest.approx(5 + 9 * 1.4 / 2)
    assert seen(make(trials=2, seeds=2), stored).seconds == 0
    assert seen(spec).disk > seen(make(trials=2, seeds=2)).disk > 4e6


def test_it_shows_plan_images_floor_sanity_cost_and_disk(folder):
    spec = make(trials=3, seeds=4)
    stored = stored_runs.runs(spec, folder, storage=None)
    console = Console(file=io.StringIO(), width=100)
    console.print(preview.plan_table(spec, stored))
    seen(spec, stored).show(console)
    text = console.file.getvalue()
    assert "3 (2)" in text
    assert "4 (2)" in text
    assert "images: 6000 for training, 5000 held out, 8x8x1 (digits)\n9 files were skipped" in text
    assert "floor: fid_digits_500 0.25, of 500 real images (held_out)" in text
    assert [line.split() for line in text.splitlines() if line.startswith("grey")] == [
        ["grey", "500", "0.25", "0.25", "NO"]
    ]
    assert "9 of 21 runs remain, of 40 steps: 10.00 ms per step" in text
    assert "disk: very roughly" in text
    values = seen(spec, stored).values()
    assert json.loads(json.dumps(values)) == values
    assert any("does not see: grey" in each for each in values["warnings"])


def test_it_shows_what_is_published_with_the_words_as_given():
    spec = make(more='[published]\nsource = "a [paper]"\nfigure = "FID 16.77"\ngpu_hours = 12.5')
    console = Console(file=io.StringIO(), width=100)
    seen(spec).show(console)
    text = console.file.getvalue()
    assert (
        "what is published about this setting:\n  source: a [paper]\n  figure: FID 16.77\n  gpu hours: 12.5\n" in text
    )
    assert seen(spec).values()["published"] == {"source": "a [paper]", "figure": "FID 16.77", "gpu_hours": 12.5}
    assert seen(make()).values()["published"] == {}


@pytest.mark.parametrize("name", ["run?1", "a b", "a%20b", "a#b", "x&y=z", "{n}", "file:x"])
def test_stored_runs_are_found_in_folders_of_any_name(name, folder, tmp_path):
    copy = Folder(tmp_path / name)
    shutil.copytree(folder.path, copy.path)
    (copy.path / "runs.csv").unlink(missing_ok=True)  # so that the database alone knows
    spec = make(trials=2, seeds=2)
    assert (
        stored_runs.runs(spec, copy, storage=None).keys()
        == stored_runs.runs(spec, folder, storage=None).keys()
        != set()
    )


@pytest.mark.parametrize(
    "address", ["nonsense", "redis://x", "mysql://u:p@h/d", "postgresql+psycopg2://u@h/d", "sqlite://"]
)
def test_an_address_that_no_database_can_have_is_refused_as_when_training(address, folder):
    with pytest.raises(AddressError, match="--storage is "):
        stored_runs.runs(make(trials=2, seeds=2), folder, storage=address)


def test_what_runs_have_in_common_is_said_and_counted():
    alone, stepped = (
        seen(make()),
        make(more='[schedules.held]\nkind = "linear"\nhold = 0.5\n[schedules.flat]\nkind = "constant"'),
    )
    shared = seen(stepped)
    assert not alone.shared
    assert alone.values()["shared_steps"] == 0
    share = (21 / 40 + 1) / 5  # of five schedules, one is another until its rate first falls, and one to its end
    assert shared.shared == {"search": pytest.approx(share)}
    assert shared.values()["shared_steps"] == pytest.approx(share * 5 * 5 * 40)
    saved = share * 5 * 5 * shared.seconds_per_run / shared.workers
    assert shared.seconds == pytest.approx(PROBE["set_up"] + 40 * shared.seconds_per_run / shared.workers - saved)
    console = Console(file=io.StringIO(), width=200)
    shared.show(console)
    assert "30 % of the steps of search" in console.file.getvalue()
    assert not seen(stepped.model_copy(update={"safety": stepped.safety.model_copy(update={"share": False})})).shared
