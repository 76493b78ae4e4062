"""The command lines are alike: help with examples and exit statuses, the same options for the same things, completion."""

import argparse
import importlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import __main__ as everything
from harness import __version__, command_line
from harness import spec as specs
from tests.report.example import results

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "harness.run_study",
    "harness.reproduce",
    "harness.compare",
    "harness.report.__main__",
    "harness.metrics.__main__",
    "harness.features",
)


@pytest.fixture(params=COMMANDS)
def command(request):
    return importlib.import_module(request.param)


def test_help_names_examples_and_exit_statuses_and_every_option_has_a_line(command, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    name = command.__name__.removesuffix(".__main__")
    assert text.startswith(f"usage: python -m {name} ")
    assert f"  python -m {name} " in text.split("examples:")[1]
    assert re.search(r"exit status: 0 [a-z ]+; .*2 ", text, re.DOTALL)
    actions = command.parser()._actions
    assert {"--json", "--quiet", "--version"} <= {name for action in actions for name in action.option_strings}
    assert [action.dest for action in actions if not action.help] == []


def test_version_and_unknown_options(command, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"harness {__version__}\n"
    with pytest.raises(SystemExit) as ended:
        command.main(["--nonsense"])
    assert ended.value.code == 2


@pytest.mark.parametrize("name", COMMANDS[:2])
@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5"])
def test_workers_are_a_whole_number(name, given, capsys):
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main(["results/x", "--workers", given])
    assert ended.value.code == 2
    assert f"--workers: is '{given}', but allowed is a whole number from 1" in capsys.readouterr().err


def test_the_report_says_as_much_as_it_is_asked_to(tmp_path, capsys):
    from harness.report.__main__ import main

    folder = str(results(tmp_path / "one", trials=0, points=2))
    assert main([folder, "--verbose"]) == 0
    said = capsys.readouterr().out
    assert "Linear was better than constant" in " ".join(said.split())
    assert said.endswith(f"{folder}/report.html\n")
    assert main([folder, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [each["schedules"]["linear"]["against_baseline"]["verdict"] for each in said] == ["better"]
    assert main([folder, "--check"]) == 0
    (tmp_path / "one" / "report.md").write_text("other")
    assert main([folder, "--check"]) == 1
    assert capsys.readouterr().err == f"{folder}/report.md: does not follow from the stored tables\n"
    assert main([str(tmp_path / "none")]) == 2
    assert "not found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("python -m harness.run_study --wor", {"--workers", "--workers-per-gpu"}),
        ("python -m harness.report --qui", {"--quiet"}),
        ("python -m harness.metrics --features dig", {"digits"}),
    ],
)
def test_a_shell_that_asks_is_offered_options(line, offered, tmp_path):
    pytest.importorskip("argcomplete", reason="the extra 'completion' is not installed")
    asked = {"_ARGCOMPLETE": "3", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    asked["_ARGCOMPLETE_STDOUT_FILENAME"] = str(tmp_path / "offered")
    subprocess.run([sys.executable, "-m", line.split()[2]], env=os.environ | asked, cwd=ROOT, check=True)
    assert {word.strip() for word in (tmp_path / "offered").read_text().split("\n")} == offered


def test_a_shell_finds_the_mark_that_lets_it_ask():
    """It reads the first kilobyte of a module before it runs it."""
    for name in COMMANDS:
        path = ROOT / (name.replace(".", "/") + ".py")
        assert "PYTHON_ARGCOMPLETE_OK" in path.read_text(encoding="utf-8")[:1024]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_any_output_shows_a_true_number_and_ends_no_command(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    command_line.parse(argparse.ArgumentParser(), [])
    print("−0.56 (−0.88 to +0.25) … 指数 café ½ \udcff")
    command_line.print_json({"a": "−0.56 指 ½"}, indent=1)
    stream.flush()
    text, _, document = stream.buffer.getvalue().decode(encoding, "replace").partition("\n")
    assert re.match("[-−]0.56 \\([-−]0.88", text)
    assert "12" not in text
    if encoding != "utf-8":
        assert "\\u6307" in text
    assert json.loads(document) == {"a": "−0.56 指 ½"}


def test_python_m_harness_says_what_there_is_and_runs_it(capsys):
    assert everything.main([]) == 0
    said = capsys.readouterr().out
    for name, (module, _) in everything.COMMANDS.items():
        assert f"\n  {name} " in said
        assert f"python -m {module.removesuffix('.__main__')}" in said
    assert everything.main(["trian"]) == 2
    assert f"COMMAND is 'trian', but allowed is one of: {', '.join(everything.COMMANDS)}" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        everything.main(["run", "--version"])
    assert ended.value.code == 0


def test_the_built_in_study_has_a_name_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert specs.named(None) == specs.named(Path("quick")) == (specs.builtin(), "built-in study 'quick'")
    (tmp_path / "quick").write_text('name = "mine"', encoding="utf-8")  # a file of the user's comes first
    with pytest.raises(specs.SpecError, match="quick: missing key"):
        specs.named(Path("quick"))


def test_the_readme_s_commands_set_nothing_but_the_path():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"<!-- (run|test) command -->\n```bash\n(.*)\n```\n<!-- end -->", text)
    assert [name for name, _ in commands] == ["run", "test"]
    for _, words in commands:
        assert set(re.findall(r"\b([A-Z_]+)=", words)) <= {"PATH"}
        assert set(re.findall(r"\$\{?([A-Za-z_]+)", words)) <= {"PATH", "PWD"}


def test_the_folder_of_the_page_across_studies_is_checked_before_any_page_is_made(tmp_path, capsys):
    from harness.report.__main__ import main

    folders = [results(tmp_path / name, seeds=2) for name in ("a", "b")]
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main([*map(str, folders), "--output", str(tmp_path / "file")]) == 2
    assert "--output is " in capsys.readouterr().err
    assert not (folders[0] / "report.html").exists()
