"""An archive holds what a folder holds, the same bytes each time, and nothing else is taken for one."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from harness import archive as command
from harness import report, reproduce
from harness.report.__main__ import main as report_command
from harness.results import ResultsError, archive, load
from tests.report import example


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a") / "mine"
    example.results(folder)
    report.build(folder)
    return folder


@pytest.fixture
def packed(study, tmp_path):
    archive.pack(study, tmp_path / "sent.zip")
    return tmp_path / "sent.zip"


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewritten(path, change):
    """The archive with its files changed by `change`: a function from the names with their bytes to others."""
    with zipfile.ZipFile(path) as found:
        files = {name: found.read(name) for name in found.namelist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, data in change(files).items():
            target.writestr(name, data)
    return path


def relisted(path, **facts):
    def change(files):
        return files | {archive.MANIFEST: json.dumps(json.loads(files[archive.MANIFEST]) | facts).encode()}

    return rewritten(path, change)


def test_what_was_packed_comes_out_but_for_database_and_checkpoints(study, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(study, folder)
    wanted = content(folder)
    for extra in ("study.db", ".lock", "checkpoints/run.npz", "artifacts/x.png"):
        (folder / extra).parent.mkdir(exist_ok=True)
        (folder / extra).write_bytes(b"x")
    archive.pack(folder, tmp_path / "sent.zip")
    with archive.opened(tmp_path / "sent.zip") as found:
        assert content(found) == wanted
        assert found.name == "mine"
    assert not found.exists()


def test_the_same_folder_gives_the_same_bytes_wherever_and_whenever(study, tmp_path):
    copy = tmp_path / "elsewhere" / "mine"
    shutil.copytree(study, copy)
    for path in copy.rglob("*.csv"):
        path.touch()
    assert archive.pack(study, tmp_path / "a.zip") == archive.pack(copy, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_report_makes_the_pages_again_beside_the_archive_and_check_writes_nothing(study, packed, capsys):
    assert report_command([str(packed), "--check"]) == 0
    assert [path.name for path in packed.parent.iterdir()] == ["sent.zip"]
    assert report_command([str(packed)]) == 0
    assert content(packed.parent / "mine") == content(study)
    assert report_command([str(packed)]) == 0  # again: the folder that is there is the same
    assert capsys.readouterr().err == ""


def test_a_folder_of_that_name_with_other_runs_is_left_alone(packed, capsys):
    other = packed.parent / "mine"
    example.results(other, noise=0.1)
    before = content(other)
    assert report_command([str(packed)]) == 2
    assert "holds something else (runs.csv differs)" in capsys.readouterr().err
    assert content(other) == before


def test_reproduce_reads_an_archive(packed, capsys):
    assert reproduce.main([str(packed), "--runs", "none"]) == 2
    assert "mine/study.toml" in capsys.readouterr().err  # which this folder has none of: the archive was opened


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(b"no zip"), "is damaged, or no archive"),
        (lambda path: rewritten(path, lambda files: {"runs.csv": b"run"}), "has no archive.json"),
        (lambda path: relisted(path, format=2), "its format is 2, but this version reads 1"),
        (lambda path: relisted(path, folder="../mine"), "names no folder with its files"),
        (lambda path: relisted(path, folder=""), "names no folder with its files"),
        (lambda path: rewritten(path, lambda files: files | {"mine/more.csv": b""}), "holds not what archive.json lists"),
        (lambda path: rewritten(path, lambda files: files | {"../out.csv": b""}), "holds not what archive.json lists"),
        (
            lambda path: rewritten(path, lambda files: files | {"mine/runs.csv": files["mine/runs.csv"] + b"x"}),
            "runs.csv is not the file that was packed",
        ),
    ],
)
def test_what_is_no_archive_is_refused_in_one_sentence_and_leaves_nothing(packed, change, said):
    change(packed)
    with pytest.raises(ResultsError, match=said), archive.opened(packed):
        pass
    with pytest.raises(ResultsError, match=said):
        archive.unpacked(packed)
    assert [path.name for path in packed.parent.iterdir()] == ["sent.zip"]


def test_a_name_that_leads_out_of_the_folder_is_refused_though_it_is_listed(packed):
    def change(files):
        manifest = json.loads(files[archive.MANIFEST])
        manifest["files"]["../../out.csv"] = manifest["files"]["runs.csv"]
        listed = {archive.MANIFEST: json.dumps(manifest).encode(), "mine/../../out.csv": files["mine/runs.csv"]}
        return files | listed

    rewritten(packed, change)
    with pytest.raises(ResultsError, match="holds not what"), archive.opened(packed):
        pass
    assert not (packed.parent / "out.csv").exists()


def test_the_command_writes_beside_the_folder_and_keeps_other_peoples_files(study, tmp_path, capsys):
    folder = tmp_path / "mine"
    shutil.copytree(study, folder)
    assert command.main([str(folder)]) == 0
    assert (tmp_path / "mine.zip").is_file()
    assert "SHA-256" in capsys.readouterr().out
    assert command.main([str(folder), "--quiet"]) == 0  # an archive is replaced
    foreign = tmp_path / "thesis.zip"
    with zipfile.ZipFile(foreign, "w") as target:
        target.writestr("chapter", "1")
    for arguments, said in (
        ([str(folder), "--output", str(foreign)], "is there and is no archive of results"),
        ([str(folder), "--output", str(tmp_path / "x.tar")], "ends in .zip"),
        ([str(folder), "--output", str(folder / "x.zip")], "outside the results folder"),
        ([str(tmp_path / "none")], "none"),
    ):
        assert command.main(arguments) == 2
        assert said in capsys.readouterr().err
    assert zipfile.ZipFile(foreign).namelist() == ["chapter"]


def test_a_folder_is_opened_as_it_is(study):
    with archive.opened(study) as found:
        assert found == study
        assert load(found).study.name == load(archive.unpacked(Path(study))).study.name
