"""Study files: reading, all faults at once, comparing with what was run, growing."""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import json
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, Tag, ValidationError

from harness import kinds, own_code, schedules
from harness.own_code import CodeError
from harness.schedules import piecewise
from harness.spec.models import PublishedSpec, StudySpec
from harness.spec.parameter import NUMBER
from harness.spec.parts import OWN, PartSection
from harness.spec.section import marked

NAMED = ("loss", "optimizer")  # keys that hold a part's name, or a table with its settings
LISTED = ("train.penalties", "train.augment")  # keys that hold a list of such
NUMBERS = ("train.ema_half_lives",)  # keys that hold a list of numbers
BUILTIN = "quick"  # name of the study that ships with the package


class StudyError(ValueError):
    """What was asked for cannot be done as it is; the message has one line per fault. Nothing was trained or written."""


class SpecError(StudyError):
    """A study file that cannot be run; the message has one line per fault."""


class Placed(Protocol):
    """Where a run stands in the plan of a study."""

    @property
    def phase(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def point(self) -> int: ...
    @property
    def repetition(self) -> int: ...
    @property
    def replicate(self) -> int | None: ...
    @property
    def source(self) -> str: ...


def load(path: Path, *, allow_code: bool = False) -> StudySpec:
    """Return the study in the TOML file `path`; raise SpecError that names every fault in it.

    Files of the user's own that it names are looked for beside it and read; the study holds their SHA-256. It carries the
    content of feature networks, and with `allow_code` that of Python files, so that workers can execute them; those with
    schedules are executed here.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        inside = path / "study.toml"
        hint = f"; the study file in it is {inside}" if inside.is_file() else ""
        raise SpecError(f"{path}: cannot be read as a text file ({_reason(error)}{hint})") from error
    return of_tables(_toml(text, source=str(path)), source=str(path), folder=path.parent, allow_code=allow_code)


def of_tables(raw: dict[str, Any], *, source: str, folder: Path, allow_code: bool = False) -> StudySpec:
    """As `load`, of the tables of a study file, which messages call `source`; its files are looked for in `folder`."""
    kinds.forget("schedule")  # of a study that was loaded before
    raw = _with_tables(raw, source, folder)
    spec = validate(raw, source=source)
    files = spec.code or spec.named_code() or spec.named_networks()
    return _with_code(spec, raw, (source, folder), allowed=allow_code) if files else spec


def _with_tables(raw: dict[str, Any], source: str, folder: Path) -> dict[str, Any]:
    """A study whose schedules state what the CSV files say that they name, so that the study is what they held.

    A file that is stated already, in the study of a results folder, need not be there; if it is, it must say the same.
    """
    faults = []
    for key, table in _naming_files(raw):
        name, stated = table["file"], {each: table[each] for each in ("at", "values", "unit") if each in table}
        place = folder / name
        if stated and not place.is_file():
            continue
        try:
            found = piecewise.read(place.read_text(encoding="utf-8-sig"), name=str(place))
        except (OSError, UnicodeDecodeError) as error:
            faults.append(
                f"{source}: {key}.file is {name!r}, but {place} cannot be read as a text file ({_reason(error)})"
            )
            continue
        except schedules.ScheduleError as error:
            faults.append(f"{source}: {key}.file is {name!r}: {error}")
            continue
        said = {each: list(value) if isinstance(value, tuple) else value for each, value in found.items()}
        if stated and stated != said:
            faults.append(
                f"{source}: {key} has both a file, {name!r}, and at, values or unit that say otherwise: give one of them"
            )
        table |= said
    if faults:
        raise SpecError("\n".join(faults))
    return raw


def _naming_files(raw: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables of schedules that name a CSV file, each with its key."""
    tables = raw.get("schedules")
    for label, table in tables.items() if isinstance(tables, dict) else ():
        if not isinstance(table, dict):
            continue
        kind = table.get("kind", label)
        nested = {f"{label}.{name}": {"kind": kind, **each} for name, each in table.items() if isinstance(each, dict)}
        for key, each in {label: {**table, "kind": kind}, **nested}.items():
            if each["kind"] == piecewise.Piecewise.kind and isinstance(each.get("file"), str) and each["file"]:
                yield f"schedules.{key}", table if key == label else table[key.removeprefix(f"{label}.")]


def _with_code(spec: StudySpec, raw: Mapping[str, Any], place: tuple[str, Path], *, allowed: bool) -> StudySpec:
    """The study with the files of the user's own that it names; `place` is what messages call it, and their folder."""
    named, networks = spec.named_code(), spec.named_networks()
    source, folder = place
    try:
        sources = own_code.read([*named, *networks], [folder, folder / own_code.FOLDER], written=spec.code)
        if allowed:
            _adopt_schedules(named, sources)
        own_code.adopt_networks(networks, sources)
    except (CodeError, kinds.KindError) as error:
        raise SpecError("\n".join(f"{source}: {line}" for line in str(error).splitlines())) from error
    code = {file: own_code.sha256(content) for file, content in sources.items()}
    checked = validate(raw, source=source) if allowed else spec  # with the schedules that are known now
    data = {each.file: sources[each.file] for each in networks}
    return checked.with_code(code, sources if allowed else data)


def _adopt_schedules(named: Iterable[own_code.Named], sources: Mapping[str, bytes]) -> None:
    """Execute the files of schedules, which need NumPy alone; workers execute the others."""
    shapes = [each for each in named if each.role == "schedule"]
    own_code.adopt(shapes, sources, make={"schedule": lambda _, shape: schedules.ShapePart.of(shape)})


def adopt(spec: StudySpec) -> None:
    """Let this process know the files of the user's own that `spec` carries, after another study was loaded."""
    kinds.forget("schedule")
    _adopt_schedules([each for each in spec.named_code() if each.file in spec.sources], spec.sources)
    own_code.adopt_networks(spec.named_networks(), spec.sources)


def named(path: Path | None, *, allow_code: bool = False) -> tuple[StudySpec, str]:
    """The study of a file, or without one the built-in study, and what messages call it; raises SpecError.

    A file that has the name of the built-in study comes first.
    """
    name = BUILTIN if path is None else str(path)
    if path is None or (name == BUILTIN and not path.exists()):
        return builtin(), f"built-in study '{name}'"
    return load(path, allow_code=allow_code), name


def builtin() -> StudySpec:
    """Return the study that ships with the package."""
    resource = importlib.resources.files("harness.spec").joinpath(f"{BUILTIN}.toml")
    return parse(resource.read_text(encoding="utf-8"), source=f"built-in study '{BUILTIN}'")


def parse(text: str, *, source: str) -> StudySpec:
    """Return the study written in `text`; raise SpecError, naming `source`, for every fault in it."""
    return validate(_toml(text, source=source), source=source)


def _toml(text: str, *, source: str) -> dict[str, Any]:
    """A parsed file; raise SpecError, naming `source`, if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{source}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise SpecError(f"{source}: not valid TOML: nested too deeply") from error


def validate(raw: Mapping[str, Any], *, source: str) -> StudySpec:
    """Return the study of a parsed file; raise SpecError, naming `source`, for every fault in it."""
    try:
        return StudySpec.model_validate(raw)
    except ValidationError as error:
        found = [fault for fault in error.errors(include_url=False) if not _follows(fault)]
        faults = dict.fromkeys(line for fault in found for line in _fault(fault).splitlines())
        raise SpecError("\n".join(f"{source}: {fault}" for fault in faults)) from error


def resolved(spec: StudySpec) -> dict[str, Any]:
    """The study with every default filled in, as plain JSON values; keys that came later only where they are set."""
    values: dict[str, Any] = spec.model_dump(mode="json")
    return values


def digest(spec: StudySpec) -> str:
    """SHA-256 (hex) of the resolved study: two studies with the same digest are the same experiment."""
    return hashlib.sha256(json.dumps(_identity(spec), sort_keys=True).encode()).hexdigest()


def _identity(spec: StudySpec) -> dict[str, Any]:
    """The resolved study, with train.xla as it was before it could be "auto": draws are the same, a device decides the rest."""
    values = resolved(spec)
    if values["train"]["xla"] == "auto":
        values["train"]["xla"] = False
    return values


def differences(old: StudySpec, new: StudySpec) -> dict[str, tuple[Any, Any]]:
    """Every key (dotted) whose value differs, with both values; None stands for 'absent'."""
    before, after = _flatten(_identity(old)), _flatten(_identity(new))
    keys = [*before, *(key for key in after if key not in before)]
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


_BUDGETS = ("search.trials", "confirm.seeds", "select.seeds")  # per schedule, and per replicate where there are several
_LOOKS = ("replicates.min", "replicates.max", "replicates.every")


def growth_faults(old: StudySpec, new: StudySpec, *, confirmed: bool = True) -> dict[str, tuple[Any, Any]]:
    """The differences that would make stored runs part of another experiment; `confirmed`: a confirmation run is among them.

    Allowed without loss are: more search trials, more confirmation or selection seeds, further schedules, seeds and sources
    whose share in the spread is looked at (no verdict rests on them), another number of retries or checkpoint period, other words (title, question text, what is published), and another place of the same images or
    weights: what they are is told by their content, which is compared when a worker has read them.

    A study that repeats its tuning is judged at looks whose error was spent before the first of them: from its first
    confirmation run on only the replicates beyond that plan may become more.
    """
    free = {"title", "question.text", "safety.checkpoint_seconds", "safety.retries", "safety.share"}
    free |= {"data.data_dir", "evaluate.weights", *(f"published.{name}" for name in PublishedSpec.model_fields)}
    may_rise = {"replicates.beyond"}
    if not old.replicated or not confirmed:
        may_rise |= {*_BUDGETS}
    if old.replicated and new.replicated and not confirmed:
        may_rise |= {"replicates.max"}
        free |= {"replicates.min", "replicates.every"}
    added = tuple(f"schedules.{label}." for label in new.schedules if label not in old.schedules)
    faults = {}
    for key, (before, after) in differences(old, new).items():
        rises = key in may_rise and (after or 0) > (before or 0)
        rises |= key.startswith("variance.") and _covers(after, before)
        if key == "search.trials" and old.search.allocation == "adaptive":
            rises = False
        fresh_file = (
            bool(added) and key.startswith("code.") and before is None
        )  # nothing but an added schedule names it
        if key not in free and not rises and not fresh_file and not (added and key.startswith(added)):
            faults[key] = (before, after)
    return faults


def _covers(after: Any, before: Any) -> bool:
    """Whether a value of [variance] asks for all that another one does; no names of schedules stand for all of them."""
    if isinstance(after, list) and isinstance(before, list):
        return not after or (bool(before) and set(after) >= set(before))
    return before is None or (isinstance(after, int) and isinstance(before, int) and after >= before)


def refused_changes(old: StudySpec, new: StudySpec, runs: Iterable[Placed]) -> dict[str, tuple[Any, Any]]:
    """The differences that would make the stored `runs` part of another experiment.

    What was added to a study may be taken away again as long as no run of it is stored.
    """
    stored = list(runs)
    confirmed = any(run.phase == "confirm" for run in stored)
    faults = growth_faults(old, new, confirmed=confirmed)
    if faults and old.search.allocation != "adaptive" and not growth_faults(new, old, confirmed=confirmed):
        return {} if all(_planned(new, run) for run in stored) else faults
    return faults


def frozen_plan(old: StudySpec, new: StudySpec, faults: Mapping[str, tuple[Any, Any]]) -> str | None:
    """What to do where `faults`, refused changes, are of nothing but a replicated study's plan; None where they are others.

    To be said after the name of the file: "replicates.max is 20, but …".
    """
    frozen = ("replicates.", "search.", "select.", "confirm.", "question.scale")
    if not (old.replicated and new.replicated and faults and all(key.startswith(frozen) for key in faults)):
        return None
    key = next(iter(faults))
    section, name = key.split(".", 1)
    before, now = (getattr(getattr(spec, section), name) for spec in (old, new))
    more = new.replicates.max - old.replicates.max
    count = str(more + old.replicates.beyond) if more > 0 else "N"
    added = f"{more} replicates" if more > 0 else "N replicates"
    return (
        f"{key} is {json.dumps(now)}, but was {json.dumps(before)} when the first confirmation run was stored, and looks that "
        "are planned again once results are known would find differences where there are none; put it back, and set "
        f"replicates.beyond = {count} to add {added}: exploratory, they change no verdict"
    )


def _planned(spec: StudySpec, run: Placed) -> bool:
    """Whether a run lies within the schedules, replicates, trials and seeds of `spec`."""
    if run.schedule not in spec.schedules or (run.replicate is None) == spec.replicated:
        return False
    if (run.replicate or 0) >= spec.replicates.max + spec.replicates.beyond:
        return False
    if run.phase == "search":
        return run.point < spec.search.trials
    if run.phase == "variance":
        variance = spec.variance
        if variance is None or not variance.of(run.schedule):
            return False
        return run.repetition < variance.runs(run.source)
    return run.repetition < (spec.select.seeds if run.phase == "select" else spec.confirm.seeds)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat


def _follows(fault: Mapping[str, Any]) -> bool:
    """Whether a list is called too short only because entries of it have faults of their own."""
    return bool(fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"])


_WORDS = {"a valid integer": "a whole number", "a valid number": "a number", "a valid string": "text"}  # pydantic's


def _fault(fault: Mapping[str, Any]) -> str:
    """One sentence for one of pydantic's faults: key, value, what is allowed."""
    # Words in angle brackets are ours, for the variants of a table; no user wrote them, or pydantic's "[key]".
    location = [part for part in fault["loc"] if not str(part).startswith("<") and part != "[key]"]
    path = _path(part for part in location if part not in ("fields", "given", "networks")) or "the study"
    kind = fault["type"]
    if kind == "union_tag_invalid":
        return _unknown_part(path, fault)
    if kind == "extra_forbidden":
        known = _keys_at(fault["loc"][:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        others = [section for section in StudySpec.model_fields if section != location[0]]
        if homes := [section for section in others if str(location[-1]) in _keys_at((section,))]:
            hint = f"it is a key of {' and of '.join(_table_of(name) for name in homes)}; "
        return f"unknown key '{path}': {hint}allowed here: {', '.join(known)}"
    if kind == "missing":
        return f"missing key '{path}', which has no default"
    if kind == "value_error":
        said = str(fault["ctx"]["error"])
        if said.startswith(
            f"{location[-1] if location else ''} is "
        ):  # a value names its key, but not the tables around it
            return f"{path}{said.removeprefix(str(location[-1]))}"
        return said if said.startswith(f"{path}.") or path == "the study" else f"{path}: {said}"
    message = str(fault["msg"])
    message = message.replace("Input should be ", "allowed is ", 1)
    for word, plain in _WORDS.items():
        message = message.replace(word, plain)
    message = message[0].lower() + message[1:]
    if kind == "string_pattern_mismatch":
        message = "names have 1 to 60 letters, digits or . _ + -, and begin with a letter or digit"
    if kind in ("model_type", "model_attributes_type"):
        message = "allowed is a name or a table" if _is_named(path) else "allowed is a table"
    if kind == "tuple_type":
        held = "names or tables" if path in LISTED else "numbers" if path in NUMBERS else "names"
        message = f"allowed is a list of {held}"
    if kind in ("too_short", "too_long"):
        end, words = ("min_length", "at least") if kind == "too_short" else ("max_length", "at most")
        message = f"allowed is a list of {words} {fault['ctx'][end]}"
    if NUMBER in fault["loc"]:
        message = "allowed is a finite number, or a range such as { low = 1e-4, high = 1e-2, log = true }"
    shown = repr(fault["input"])
    return f"{path} is {shown if len(shown) <= 80 else shown[:77] + '...'}: {message}"


def _table_of(section: str) -> str:
    """A section as it stands in a file."""
    return "[schedules.LABEL]" if section == "schedules" else f"[{section}]"


def _path(location: Iterable[int | str]) -> str:
    """A key with those of the tables around it; places in lists are counted from 0: "train.penalties[0].weight"."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _is_named(path: str) -> bool:
    """Whether a key holds a part's name or its table."""
    key, bracket, _ = path.rpartition("[")
    return key in LISTED if bracket else path.rpartition(".")[2] in NAMED


def _unknown_part(path: str, fault: Mapping[str, Any]) -> str:
    """A name that is of no part: what it was, and what it may be."""
    if not isinstance(fault["input"], str | Mapping | PartSection):
        return f"{path} is {fault['input']!r}: allowed is a name or a table"
    name = str(fault["ctx"]["tag"])[1:-1]
    if not name and isinstance(fault["input"], Mapping) and "name" not in fault["input"]:
        return f"missing key '{path}.name', which has no default"
    known = [word.strip("'<>") for word in str(fault["ctx"]["expected_tags"]).split(", ") if OWN not in word]
    key = path if _is_named(path) else f"{path}.name"
    return f"{key} is {name!r}{kinds.nearest(name, known)}, but allowed is one of: {', '.join(known)}"


def _keys_at(location: Sequence[int | str]) -> list[str]:
    """The keys that the model at `location` (as pydantic's faults have it) allows."""
    annotation: Any = StudySpec
    for part in location:
        if isinstance(part, int):
            continue  # `tagged` looks into lists
        if str(part).startswith("<"):
            annotation = tagged(annotation).get(str(part))
            continue
        if typing.get_origin(annotation) is dict:
            annotation = typing.get_args(annotation)[1]
            continue
        model = model_of(annotation)
        field = model.model_fields.get(part) if is_model(model) else None
        if field is None:
            return []
        annotation = field.annotation
    model = model_of(annotation)
    return (
        [name for name, field in model.model_fields.items() if not marked(field, "retired")] if is_model(model) else []
    )


def is_model(annotation: Any) -> bool:
    """Whether an annotation is a table's model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def model_of(annotation: Any) -> Any:
    """The model in an annotation such as `Model`, `float | Model` or `dict[str, Model]`; the first of a union."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, dict, typing.Annotated):
        models = [model_of(part) for part in typing.get_args(annotation)]
        return next((model for model in models if is_model(model)), None)
    return annotation


def tagged(annotation: Any) -> dict[str, Any]:
    """The models of a union whose members bear tags, or of a list of such, by tag; empty of another annotation."""
    if typing.get_origin(annotation) is typing.Annotated:
        base, *marks = typing.get_args(annotation)
        tags = [mark.tag for mark in marks if isinstance(mark, Tag)]
        return {tags[0]: base} if tags else tagged(base)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple):
        return {tag: model for part in typing.get_args(annotation) for tag, model in tagged(part).items()}
    return {}


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return "it is not UTF-8"
