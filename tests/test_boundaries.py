"""Who may import whom (docs/architecture.md): reads the imports and fails on any other."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "harness"
MODULES = sorted(PACKAGE.rglob("*.py"))

# part -> the parts of the harness it may import. Everything may import harness.version.
ALLOWED = {
    "version": set(),
    "kinds": set(),
    "lazy": set(),
    "files": set(),
    "scores": set(),
    "seeds": set(),
    "command_line": set(),
    "json_output": set(),
    "schedules": {"kinds"},
    "arms": {"schedules"},
    "own_code": {"kinds"},
    "stats": set(),
    "data": {"kinds", "files"},
    "metrics": {"scores", "data", "command_line", "kinds", "lazy", "files"},
    "models": {"seeds", "kinds", "lazy", "files", "own_code"},
    "spec": {"schedules", "arms", "kinds", "own_code", "seeds", "scores"},
    "results": {"scores", "arms", "kinds", "files"},
    "elsewhere": {"command_line", "report", "results", "stats", "metrics"},
    "report": {"scores", "results", "stats", "schedules", "arms", "command_line", "kinds", "files"},
    "plan": {"seeds", "spec", "schedules", "kinds", "stats"},
    "worker": {
        "seeds",
        "scores",
        "plan",
        "models",
        "metrics",
        "data",
        "results",
        "spec",
        "schedules",
        "kinds",
        "files",
        "lazy",
        "own_code",
    },
    "executors": {"worker", "plan", "data", "spec", "kinds"},
    "driver": {
        *("executors", "worker", "plan", "report", "results", "metrics", "data", "spec", "schedules", "stats"),
        *("seeds", "command_line", "kinds", "files", "scores", "own_code"),
    },
    "__main__": set(),
    "compare": {"elsewhere", "command_line"},
    "run_study": {"spec", "driver", "command_line"},
    "archive": {"results", "command_line"},
    "reproduce": {"driver", "command_line"},
    "study": {"spec", "driver", "report", "command_line"},
    "features": {"metrics", "command_line", "files", "kinds"},
    "doctor": {
        *(
            "command_line",
            "driver",
            "executors",
            "files",
            "kinds",
            "lazy",
            "metrics",
            "models",
            "seeds",
            "spec",
            "worker",
        )
    },
    "check_network": {"command_line", "executors", "metrics", "models", "worker"},
}
# What a driver takes from the worker's side: how to start one and ask it, never what it runs.
FROM_WORKER = ("harness.worker.process",)
# heavy libraries and the only places they may be imported in, at whatever depth
HOMES = {
    "tensorflow": ("lazy.py", "models/", "worker/"),
    "keras": ("models/", "data/", "worker/"),
    "optuna": ("driver/", "plan/"),
    "ray": ("executors/ray_cluster.py",),
    "matplotlib": ("report/", "elsewhere/comparison.py"),  # there a figure's type alone
    "jinja2": ("report/",),
    "pydantic": ("spec/", "results/document.py", "json_output.py"),
    "IPython": ("driver/notebook.py",),
    "torch": (),
    "onnxruntime": ("metrics/own/onnx_file.py",),
}


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    mine = part(path)
    if mine == "__init__":
        return
    for name in imports(path):
        words = name.split(".")
        if words[0] == "harness" and len(words) > 1 and words[1] in ALLOWED:
            assert words[1] in ALLOWED[mine] | {mine, "version"}, f"{mine} imports {name}"


def module_name(path):
    return ".".join(["harness", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def test_no_modules_import_each_other_round_in_a_circle_not_even_within_functions():
    names = {module_name(path) for path in MODULES}
    arrows = {
        module_name(path): {
            name if name in names else name.rpartition(".")[0] for name in imports(path) if name.startswith("harness.")
        }
        & names
        for path in MODULES
    }
    while ends := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in ends}
    assert not arrows, f"in circles, or above them: {sorted(arrows)}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part(path) in ("driver", "executors")],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_driver_never_imports_what_trains(path):
    for name in imports(path):
        assert (
            not name.startswith(("harness.models", "harness.worker"))
            or name.startswith(FROM_WORKER)
            or (name == "harness.worker.process")
        ), f"{path} imports {name}"


FIGURES = [path for path in MODULES if path.parent == PACKAGE / "report" / "figures"]


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.name)
def test_figures_take_tables_and_numbers_and_know_no_study(path):
    for name in imports(path):
        assert not name.startswith("harness.") or name.startswith("harness.report.figures"), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_stay_in_their_homes(path):
    where = str(path.relative_to(PACKAGE))
    for name in imports(path):
        library = name.split(".")[0]
        if library in HOMES:
            assert where.startswith(HOMES[library]), f"{where} imports {library}"


def test_every_part_is_listed():
    parts = {part(path) for path in MODULES} - {"__init__"}
    assert parts <= set(ALLOWED)


LIGHT = (
    ("import harness", ("tensorflow", "optuna", "matplotlib", "pandas", "numpy")),
    ("import harness; harness.Study; harness.StudyError", ("tensorflow", "optuna", "matplotlib", "pandas")),
    ("import harness; harness.load_results", ("tensorflow", "optuna")),
    ("import harness; harness.score", ("tensorflow", "optuna", "matplotlib", "pandas")),
    (
        "import harness.run_study as r; r.parser().format_help()",
        ("tensorflow", "optuna", "pandas", "matplotlib"),
    ),
    ("import harness.spec", ("tensorflow", "optuna", "pandas", "matplotlib")),
    ("import harness.stats, harness.schedules", ("tensorflow", "optuna", "matplotlib")),
    ("import harness.report", ("tensorflow", "optuna")),
    ("import harness.elsewhere", ("tensorflow", "optuna")),
    ("import harness.compare as c; c.parser().format_help()", ("tensorflow", "optuna", "pandas", "matplotlib")),
    ("import harness.driver.command", ("tensorflow",)),
    (
        "import harness.doctor.__main__ as d; d.parser().format_help()",
        ("tensorflow", "optuna", "matplotlib", "pandas", "numpy"),
    ),
    (
        "import harness.doctor.selftest, harness.doctor.page, harness.doctor.machine",
        ("tensorflow", "optuna", "matplotlib"),
    ),
    ("import harness.features", ("tensorflow", "optuna", "matplotlib", "pandas")),
    ("import harness.metrics.__main__", ("tensorflow", "optuna", "matplotlib", "pandas")),
    ("import harness.metrics.frechet, harness.metrics.evaluation", ("tensorflow", "optuna", "matplotlib")),
)


@pytest.mark.parametrize(("code", "heavy"), LIGHT, ids=[code for code, _ in LIGHT])
def test_light_entry_points_load_no_heavy_library(code, heavy):
    probe = f"{code}\nimport sys\nprint([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_every_folder_with_modules_is_a_package_so_that_the_wheel_holds_it():
    for path in MODULES:
        assert (path.parent / "__init__.py").is_file(), path
