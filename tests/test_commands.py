"""The command lines are alike: help with examples and exit statuses, the same options for the same things, completion."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import __version__
from tests.report.example import results

ROOT = Path(__file__).parents[1]
COMMANDS = ("harness.run_study", "harness.reproduce", "harness.report.__main__", "harness.metrics.__main__")


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
        ("python -m harness.report --q", {"--quiet"}),
        ("python -m harness.metrics --features d", {"digits"}),
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
