"""Parts declare themselves: a name, one line of help, settings with their limits, what images it fits, how it is built.

A part is one file. It holds the declaration, `PART` (or several, `PARTS`), and what the declaration builds. What a study
file may say, `--list`, the checks before training, the number of workers, the JSON schema and the page of keys are read
off the declarations, so that nothing else changes when a part is added.

Parts come from the package (every module in `PACKAGES`), from installed packages (entry points of the
group `harness.parts`, or `harness.executors`, each a module or a part), and from Python files that a study names. Declarations load no heavy
library: what needs TensorFlow imports it from `harness.lazy`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.metadata
import math
import numbers
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, ClassVar

PACKAGES = (
    "harness.schedules",
    "harness.models",
    "harness.models.gan",
    "harness.models.gan.networks",
    "harness.models.gan.losses",
    "harness.models.gan.penalties",
    "harness.models.gan.augmentations",
    "harness.models.ddgan",
    "harness.models.nn.optimizers",
    "harness.metrics.scores",
    "harness.metrics.features",
    "harness.metrics.own",
    "harness.data.sets",
)
GROUP = "harness.parts"
# Executors read the study file, whose models are made of the other parts: they are looked for apart, and later.
EXECUTORS, EXECUTOR_GROUP = ("harness.executors.start",), "harness.executors"
Shape = tuple[int, int, int]  # of an image: height, width, channels


class KindError(ValueError):
    """There is no such part, or a setting has a value that it cannot have; one sentence with what is allowed."""


# --- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One setting of a part: its type, default, limits and meaning.

    `low` and `high` are the ends of a number's range, of each number of a list, which `open_low` and `open_high` exclude;
    `choices` are all that a text may be. A setting that came `later` than its part is left out of a study's written form while it has its default.
    """

    name: str
    type: type[int] | type[float] | type[str] | type[bool] | type[tuple[float, ...]]
    default: Any
    help: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    later: bool = False

    @property
    def allowed(self) -> str:
        """What it may be, in words, for messages and documents: "at least 0 and below 1"."""
        if self.type is bool:
            return "true or false"
        if self.type is str:
            return f"one of: {', '.join(self.choices)}" if self.choices else "text"
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        high = f"{'below' if self.open_high else 'at most'} {self.high:g}"
        what = {int: "a whole number ", tuple: "a list of numbers, each "}.get(self.type, "")
        return f"{what}{low}" if self.high == math.inf else f"{what}{low} and {high}"

    def check(self, value: object, *, owner: str) -> None:
        """Raise KindError naming `owner`, setting and what is allowed unless `value` is that."""
        if not self.holds(value):
            raise KindError(f"{owner}.{self.name} is {value!r}, but must be {self.allowed}")

    def holds(self, value: object) -> bool:
        """Whether `value` is allowed."""
        if self.type is bool:
            return isinstance(value, bool)
        if self.type is str:
            return isinstance(value, str) and (not self.choices or value in self.choices)
        if self.type is tuple:
            return isinstance(value, tuple | list) and all(self._within(each, numbers.Real) for each in value)
        return self._within(value, numbers.Integral if self.type is int else numbers.Real)

    def _within(self, value: Any, wanted: Any) -> bool:
        """Whether a value is a number of the wanted kind within the limits."""
        if not isinstance(value, wanted) or isinstance(value, bool):
            return False
        number = float(value)
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below  # NaN is neither


def number(default: float, *, low: float, high: float, text: str, open_ends: str = "", later: bool = False) -> Any:
    """A dataclass field that holds a number; `open_ends` names the ends that are excluded ("low", "high").

    It holds whole numbers only if `default` is an int.
    """
    metadata = {"low": low, "high": high, "help": text}
    metadata |= {"open_low": "low" in open_ends, "open_high": "high" in open_ends, "later": later}
    return field(default=default, metadata=metadata)


def choice(default: str, choices: Iterable[str], *, text: str, later: bool = False) -> Any:
    """A dataclass field that holds one of `choices`."""
    return field(default=default, metadata={"choices": tuple(choices), "help": text, "later": later})


def flag(default: bool, *, text: str, later: bool = False) -> Any:
    """A dataclass field that holds true or false."""
    return field(default=default, metadata={"help": text, "later": later})


def listed(*, low: float, high: float = math.inf, text: str, later: bool = False) -> Any:
    """A dataclass field that holds a list of numbers, as a tuple; empty unless set."""
    return field(default=(), metadata={"low": low, "high": high, "help": text, "later": later})


def words(default: str, *, text: str, later: bool = False) -> Any:
    """A dataclass field that holds any text."""
    return field(default=default, metadata={"help": text, "later": later})


def settings_of(declared: type) -> tuple[Setting, ...]:
    """What may be set on a frozen dataclass whose fields are of `number`, `choice`, `flag`, `listed` or `words`, in order."""
    return tuple(
        Setting(name=each.name, type=_type(each.default), default=each.default, **each.metadata)
        for each in dataclasses.fields(declared)
        if each.metadata
    )


def _type(default: Any) -> Any:
    return type(default)


def check_settings(made: Any, *, owner: str) -> None:
    """Raise KindError at the first setting of `made` that is not allowed."""
    for setting in settings_of(type(made)):
        setting.check(getattr(made, setting.name), owner=owner)


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


# --- parts -----------------------------------------------------------------------------------------------------------


def any_shape(_: Shape) -> str | None:
    """Every image fits."""
    return None


def no_memory(*_: Any) -> float:
    """Nothing that counts."""
    return 0.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A declaration.

    `settings` is a frozen dataclass of `number`, `choice` and `flag` fields; those of shapes and rules may be of `listed` and
    `words`, too. `fits` takes an image's shape and returns
    None, or in words what the part makes or takes instead. `memory` estimates the megabytes that a worker needs for it.
    `build` is "module:name" of what makes it, or the callable itself. `retired` are settings of earlier versions with
    their defaults: still read, and never offered. Lists name the parts of a role by `position`.
    """

    role: ClassVar[str] = ""
    name: str
    help: str
    build: str | Callable[..., Any]
    settings: type = NoSettings
    fits: Callable[[Shape], str | None] = any_shape
    memory: Callable[..., float] = no_memory
    retired: Mapping[str, Any] = field(default_factory=dict)
    position: int = 1000

    @property
    def builder(self) -> Callable[..., Any]:
        """What makes it, imported now."""
        if not isinstance(self.build, str):
            return self.build
        module, _, name = self.build.partition(":")
        made: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return made

    def set(self, values: Mapping[str, Any]) -> Any:
        """The settings with `values`; KindError names one that is unknown or not allowed."""
        known = [setting.name for setting in settings_of(self.settings)]
        for name in values:
            if name not in known and name not in self.retired:
                allowed = f"its settings are {', '.join(known)}" if known else "it has none"
                raise KindError(f"{self.name} has no setting {name!r}{nearest(name, known)}: {allowed}")
        made = self.settings(**{name: value for name, value in values.items() if name in known})
        check_settings(made, owner=self.name)
        return made


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that follows a name, such as "(did you mean 'x'?)"; empty where no known name is near, capitals or not."""
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


# --- registry --------------------------------------------------------------------------------------------------------


def parts_in(module: ModuleType) -> tuple[Part, ...]:
    """The parts that a module declares."""
    single = getattr(module, "PART", None)
    several: Sequence[Part] = getattr(module, "PARTS", ())
    return tuple(each for each in (*([single] if single is not None else []), *several) if isinstance(each, Part))


@dataclass(frozen=True, kw_only=True)
class Unread(Part):
    """A part of the user's own in a process that has not executed its file: any image fits, any setting may be."""

    networks: tuple[str, ...] = ()
    network: str = ""
    ratio: str = ""
    model: str = ""
    dimensions: int | None = None
    trained_on: str = ""
    trained: None = None
    check_weights: None = None
    check_reading: None = None
    reads: tuple[str, ...] = ("beta1", "beta2", "momentum")
    optional: bool = True
    primary: bool = False
    conditional: bool = True
    bounded: bool = True
    penalty: str = ""
    needs_bound: bool = False
    ideal: None = None
    vanishes: bool = False

    def set(self, values: Mapping[str, Any]) -> Any:
        """Nothing: a worker checks the settings."""
        return NoSettings()


def _unread(role: str, name: str) -> Unread:
    def refuse(*_: Any) -> Any:
        if not is_own(name):
            raise KindError(f"{name} has not been read: a study that is loaded from its file brings it")
        raise KindError(f"{name} has not been executed: a study's own code is executed only with --allow-code")

    # For want of better: as many activations as dcgan's at its default width, and a feature network of middle size.
    memory: dict[str, Callable[..., float]]
    memory = {"network": lambda _, shape: 0.0015 * shape[0] * shape[1], "features": lambda _: 500.0}
    return Unread(name=name, help="a part of your own", build=refuse, memory=memory.get(role, no_memory))


OWN_NAME = r"\w[\w.-]*\.py(:\w[\w.-]*)?"  # of a part of the user's own, as a study file has it
_adopted: dict[tuple[str, str], Part] = {}  # by role and by name in the study file


def is_own(name: str) -> bool:
    """Whether a name in a study file is of a part in a file of the user's own: "mine.py" or "mine.py:NAME"."""
    return re.fullmatch(OWN_NAME, name) is not None


def is_file(name: str) -> bool:
    """Whether a name in a study file is of a file beside it that holds a feature network: "mine.npz", "nets/mine.keras"."""
    return re.fullmatch(file_pattern(), name) is not None


def file_pattern() -> str:
    """The pattern of such a name: a path below the study file's folder that ends as one of the role "features_file"."""
    return rf"(\w[\w .+-]*/)*\w[\w .+-]*\.({'|'.join(map(re.escape, known('features_file')))})"


def plain(name: str) -> str:
    """A part's name as scores have it: NAME of "mine.py:NAME", "mine" of "mine.py" and "nets/mine.npz", any other as it is."""
    if is_file(name):
        return PurePosixPath(name).stem
    if not is_own(name):
        return name
    file, _, part = name.partition(":")
    return part or file.removesuffix(".py")


def adopt(role: str, name: str, part: Part | None) -> None:
    """Let `find` know a part of the user's own under its name in the study file; None forgets it.

    KindError if a part of the same role has the same declared name, which scores and messages could not tell apart.
    """
    _adopted.pop((role, name), None)
    if part is None:
        return
    if not is_own(part.name) and part.name in known(role):
        raise KindError(f"{name} declares a {role} {part.name!r}, a name that is taken; give it another")
    _adopted[role, name] = part


def forget(role: str) -> None:
    """Let no part of the user's own be known for a role."""
    for key in [key for key in _adopted if key[0] == role]:
        del _adopted[key]


@cache
def _shipped(packages: tuple[str, ...] = PACKAGES) -> tuple[Part, ...]:
    """The package's own parts."""
    found: list[Part] = []
    for name in packages:
        try:
            package = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            continue
        found += parts_in(package)
        for info in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{name}."):
            found += parts_in(importlib.import_module(info.name))
    return tuple(found)


def shipped(*parts: Part) -> bool:
    """Whether all of them are the package's own."""
    return all(any(part is ours for ours in _shipped()) for part in parts)


@cache
def _installed(group: str = GROUP) -> tuple[Part, ...]:
    """Parts of other packages that are installed here; raises KindError naming one that is no part."""
    found: list[Part] = []
    for point in importlib.metadata.entry_points(group=group):
        loaded = point.load()
        parts = (loaded,) if isinstance(loaded, Part) else parts_in(loaded) if isinstance(loaded, ModuleType) else ()
        if not parts:
            raise KindError(f"entry point '{point.name}' of {group} is {point.value}, which declares no part")
        found += parts
    return tuple(found)


def parts(role: str) -> dict[str, Part]:
    """The parts of a role by declared name, in the order of lists: the package's, installed packages', a study's files'.

    None of them can replace one that comes before it.
    """
    named = known(role)
    for (its_role, _), part in _adopted.items():
        if its_role == role:
            named.setdefault(part.name, part)
    return named


def known(role: str) -> dict[str, Part]:
    """The package's and installed packages' parts of a role by name, without those of a user's own files."""
    named: dict[str, Part] = {}
    apart = role == "executor"
    ours = _shipped(EXECUTORS) if apart else _shipped()
    for each in (*ours, *(_installed(EXECUTOR_GROUP) if apart else _installed())):
        if each.role == role:
            named.setdefault(each.name, each)
    return dict(sorted(named.items(), key=lambda item: item[1].position))


def find(role: str, name: str, *, key: str) -> Part:
    """The part of a role by name; KindError names `key`, the value, the nearest name and all that are allowed.

    A name such as "mine.py:NAME" or "mine.npz" is of a file: `Unread` in a process that has not executed, or read, it.
    """
    if is_own(name) or (role == "features" and is_file(name)):
        return _adopted.get((role, name)) or _unread(role, name)
    named = parts(role)
    if name not in named:
        raise KindError(f"{key} is {name!r}{nearest(name, named)}, but allowed is one of: {', '.join(named)}")
    return named[name]
