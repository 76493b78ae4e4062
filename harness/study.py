"""A study in Python, as `harness.Study`: what `python -m harness.run_study` does, by the same functions."""

from __future__ import annotations

import importlib
import inspect
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness import command_line
from harness import spec as specs
from harness.spec import StudyError, StudySpec
from harness.spec.section import Section, marked

if TYPE_CHECKING:
    from rich.console import Console

    from harness.driver.preview import Preview
    from harness.driver.session import Options
    from harness.report.in_python import Results

Place = str | os.PathLike[str]


def _signature() -> inspect.Signature:
    """The tables and keys of a study file as keyword parameters, for help and completion."""
    fields = {name: field for name, field in StudySpec.model_fields.items() if not marked(field, "retired")}
    kind = inspect.Parameter.KEYWORD_ONLY
    tables = [
        inspect.Parameter(name, kind, default=inspect.Parameter.empty if field.is_required() else None)
        for name, field in fields.items()
        if name != "code"
    ]
    return inspect.Signature([*tables, inspect.Parameter("allow_code", kind, default=False)])


class Study:
    """A study: which schedules are compared, on what, how they are tuned, and what decides.

    `Study.load(path)` reads a study file. `Study(name=…, data={…}, …)` takes the tables of one as keywords, by the same
    checks and with the same messages: each is a mapping, or a model of harness.spec; a key whose value is None is left
    out, and files of your own are looked for in the current folder.

    >>> study = Study(
    ...     name="mine",
    ...     data={"name": "digits"},
    ...     train={"steps": 500},
    ...     evaluate={"features": "digits"},
    ...     space={"peak": {"low": 1e-3, "high": 1e-2, "log": True}},
    ...     schedules={"constant": {}, "linear": {}},
    ... )
    >>> study
    <harness.Study 'mine': constant, linear; digits, 500 steps>
    """

    __signature__: ClassVar[inspect.Signature] = _signature()

    spec: StudySpec
    source: str  # what messages call it

    def __init__(self, *, allow_code: bool = False, **tables: Any) -> None:
        """Raises StudyError with one line per fault. `allow_code`: files that it names may be executed, here and by workers."""
        given = _plain(tables)
        name = given.get("name")
        self.source = f"study {name!r}" if isinstance(name, str) else "study"
        self.spec = specs.of_tables(given, source=self.source, folder=Path(), allow_code=allow_code)
        self._allow_code, self._of_keywords = allow_code, True

    @classmethod
    def load(cls, path: Place | None = None, *, allow_code: bool = False) -> Study:
        """The study of a file; of none, or of "quick", the built-in study. Raises StudyError with one line per fault."""
        study = cls.__new__(cls)
        study.spec, study.source = specs.named(None if path is None else Path(path), allow_code=allow_code)
        study._allow_code, study._of_keywords = allow_code, False
        return study

    @property
    def name(self) -> str:
        """The short name, also of the results folder."""
        return self.spec.name

    def to_toml(self) -> str:
        """The study as a study file, with every default written out."""
        return specs.to_toml(self.spec)

    def check(self, *, output: Place | None = None) -> None:
        """Raise StudyError, one line per fault, for all that can be found wrong before anything is trained or written."""
        actions = self._actions()
        actions.check(self.spec, self._options(output=output))

    def dry_run(
        self,
        *,
        output: Place | None = None,
        workers: int | None = None,
        workers_per_gpu: int | None = None,
        storage: str | None = None,
        noise_from: Place | None = None,
    ) -> DryRun:
        """What the study would cost on this machine and what is known of it; writes nothing. The command's `--dry-run`."""
        actions = self._actions()
        options = self._options(
            output=output,
            workers=workers,
            workers_per_gpu=workers_per_gpu,
            storage=storage,
            noise_from=noise_from,
            dry_run=True,
        )
        actions.check(self.spec, options)
        return DryRun(actions.preview(self.spec, options))

    def run(
        self,
        *,
        output: Place | None = None,
        workers: int | None = None,
        workers_per_gpu: int | None = None,
        executor: str = "local",
        cluster: str | None = None,
        storage: str | None = None,
        tensorboard: Place | None = None,
        report: bool = True,
        quiet: bool = False,
        verbose: bool = False,
    ) -> Results:
        """Train what is missing of the study, or nothing where all is stored, and return its results.

        The parameters are the command's options; `output` is the results folder (default: results/NAME), `report=False` is
        `--no-report`. Interrupted once (Ctrl-C, or a notebook's stop button) it lets workers leave checkpoints and raises
        KeyboardInterrupt; the same call goes on from there. Raises StudyError before anything is trained or written, and
        StudyFailed where the study cannot go on.
        """
        from harness.report.in_python import load_results

        actions = self._actions()
        options = self._options(
            output=output,
            workers=workers,
            workers_per_gpu=workers_per_gpu,
            executor=_where(executor, cluster),
            storage=storage,
            tensorboard=tensorboard,
            report=report,
            quiet=quiet,
            verbose=verbose,
        )
        console = _console(quiet=quiet)
        actions.print_surroundings(options, console)
        actions.check(self.spec, options)
        actions.run(self.spec, options, console)
        return load_results(options.output)

    def _options(self, *, output: Place | None, **words: Any) -> Options:
        """What the parameters say, as the command has it."""
        from harness.driver.session import Options

        for key in ("workers", "workers_per_gpu"):
            number = words.get(key)
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise StudyError(f"{key} is {number!r}, but allowed is a whole number from 1")
        for key in ("tensorboard", "noise_from"):
            if words.get(key) is not None:
                words[key] = Path(words[key])
        folder = Path("results") / self.name if output is None else Path(output)
        return Options(
            self.source,
            folder,
            in_python=True,
            of_keywords=self._of_keywords,
            allow_code=self._allow_code,
            **words,
        )

    def _actions(self) -> Any:
        """harness.driver.actions, with the study's own files known."""
        with warnings.catch_warnings():  # Optuna's progress bars would have widgets in a notebook; ours need none
            warnings.filterwarnings("ignore", message="IProgress not found")
            actions = importlib.import_module("harness.driver.actions")
        specs.adopt(self.spec)
        return actions

    def __repr__(self) -> str:
        schedules = ", ".join(self.spec.schedules)
        return f"<harness.Study {self.name!r}: {schedules}; {self.spec.data.name}, {self.spec.train.steps} steps>"


class DryRun:
    """What a study would cost and what is known of it, before anything is trained."""

    def __init__(self, preview: Preview) -> None:
        self._values = preview.values()
        self._text = _text_of(preview)

    @property
    def runs(self) -> int:
        """Runs of the whole plan; of a study that repeats its tuning the most."""
        return int(self._values["runs"])

    @property
    def stored(self) -> int:
        """Runs that are there already."""
        return int(self._values["stored"])

    @property
    def remaining(self) -> int:
        """Runs that are left."""
        return int(self._values["remaining"])

    @property
    def workers(self) -> int:
        """Worker processes that the run would have here."""
        return int(self._values["workers"])

    @property
    def seconds(self) -> float:
        """About how long the rest takes, in seconds."""
        return float(self._values["seconds"])

    @property
    def disk_bytes(self) -> int:
        """Very roughly what the results folder takes in the end."""
        return int(self._values["disk_bytes"])

    @property
    def warnings(self) -> Sequence[str]:
        """What to heed before the study is run."""
        return list(self._values["warnings"])

    def values(self) -> dict[str, Any]:
        """What `--dry-run --json` prints, as plain values; docs/output.schema.json says what stands where."""
        return dict(self._values)

    def __repr__(self) -> str:
        return self._text


def _text_of(preview: Preview) -> str:
    """What `--dry-run` prints after the study file, its options as the parameters that they are here."""
    from rich.console import Console

    from harness.driver.preview import plan_table
    from harness.driver.session import PARAMETERS

    console = Console(file=io.StringIO(), width=120, force_jupyter=False, force_terminal=False)
    console.print(plan_table(preview.spec, preview.stored))
    preview.show(console)
    for warning in preview.warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
    file: Any = console.file
    text = command_line.in_parameters(file.getvalue(), PARAMETERS)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def _console(*, quiet: bool) -> Console:
    """Where progress is shown: this terminal, the notebook's cell, or a log."""
    from rich.console import Console

    command_line.make_output_safe()
    return Console(quiet=quiet)


def _where(executor: str, cluster: str | None) -> str:
    """The executor that two parameters name."""
    if cluster is None:
        return executor
    if executor != "local":
        raise StudyError(f"executor is {executor!r} and cluster is {cluster!r}, but allowed is one of them")
    return f"ray:{cluster}"


def _plain(value: Any) -> Any:
    """A table as a study file holds it: mappings without None, lists, texts and numbers."""
    if isinstance(value, Section):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
