"""Schedules by the names and numbers of study files and tables."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from harness import kinds
from harness.kinds import Setting
from harness.schedules.rule import Rule
from harness.schedules.schedule import Schedule, ScheduleError, Shape, check


def all_shapes() -> dict[str, type[Shape]]:
    """Return every shape by kind: ours, then those of installed packages and of a study's own files."""
    return {name: cast(type[Shape], part.settings) for name, part in kinds.parts("schedule").items()}


def _known(kind: str) -> type[Shape]:
    if kinds.is_own(kind):
        part = kinds.find("schedule", kind, key="kind")
        if isinstance(part, kinds.Unread):
            raise ScheduleError(f"schedule {kind!r} is a study's own, whose file has not been executed here")
        return cast(type[Shape], part.settings)
    known = all_shapes()
    if kind not in known:
        raise ScheduleError(
            f"there is no schedule {kind!r}{kinds.nearest(kind, known)}: it must be one of {', '.join(known)}"
        )
    return known[kind]


def is_rule(kind: str) -> bool:
    """Whether a kind is of a rule, whose rates follow from what training does; not of a kind that is unknown here."""
    if is_unread(kind):
        return False
    part = kinds.parts("schedule").get(kind) if not kinds.is_own(kind) else kinds.find("schedule", kind, key="kind")
    return part is not None and issubclass(part.settings, Rule)


def is_decay(kind: str) -> bool:
    """Whether a kind lowers the rate: any but a constant one and a rule that may raise it.

    One in a file of the user's own counts as one, whether it has been executed here or not; so does one that is unknown here.
    """
    if kind == "constant":
        return False
    return kinds.is_own(kind) or not is_rule(kind) or cast(type[Rule], _known(kind)).lowers


def losses_read(kind: str) -> tuple[str, ...]:
    """The names of the losses that a rule reads; none of a shape."""
    return cast(type[Rule], _known(kind)).losses if is_rule(kind) else ()


def is_unread(kind: str) -> bool:
    """Whether a shape is in a file of the user's own that has not been executed in this process."""
    return kinds.is_own(kind) and isinstance(kinds.find("schedule", kind, key="kind"), kinds.Unread)


def shape_fields(kind: str) -> tuple[Setting, ...]:
    """Return what may be set on a shape, in order; ScheduleError for an unknown kind."""
    return kinds.settings_of(_known(kind))


def whole_fields(kind: str) -> frozenset[str]:
    """Return the names of a shape's fields that are whole numbers; ScheduleError for an unknown kind.

    Of a shape in a file that has not been executed here none is known.
    """
    if is_unread(kind):
        return frozenset()
    return frozenset(info.name for info in shape_fields(kind) if info.type is int)


def shape_help(kind: str) -> str:
    """Return the one line that says what a shape does."""
    return (_known(kind).__doc__ or "").partition("\n")[0]


def shape(kind: str, **fields: Any) -> Shape:
    """Return the shape or rule of that kind with those fields; ScheduleError names an unknown kind, field or bad value."""
    made = _known(kind)
    names = [info.name for info in kinds.settings_of(made)]
    for name in fields:
        if name not in names:
            allowed = f"its fields are {', '.join(names)}" if names else "it has no fields"
            raise ScheduleError(f"{kind} has no field {name!r}{kinds.nearest(name, names)}: {allowed}")
    shape = made(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
    check(shape)  # ours have done so; a shape of another package need not
    return shape


def of(kind: str, values: Mapping[str, float], given: Mapping[str, Any] | None = None) -> Schedule:
    """Return the schedule of `kind` that `values` (a run's parameters by name) describe; other names are not looked at.

    `given` are fields that no search varies: lists and texts. `peak` must be among them, `warmup` counts as 0 where it is not. Fields that are whole numbers may come as floats, as
    a table has them. Raises ScheduleError if the shape refuses a value.
    """
    own = {info.name: values[info.name] for info in shape_fields(kind) if info.name in values}
    own |= {name: int(own[name]) for name in whole_fields(kind) & own.keys() if float(own[name]).is_integer()}
    return Schedule(shape(kind, **own, **(given or {})), peak=values["peak"], warmup=values.get("warmup", 0.0))


ALL = "both"  # `applies_to` of a schedule that every network follows; of the first release, which knew two networks


def by_network(
    schedule: Schedule,
    steps: int,
    *,
    networks: Sequence[str] = ("generator", "discriminator"),
    ratios: Mapping[str, float] | None = None,
    applies_to: str = ALL,
    own: Mapping[str, Schedule] | None = None,
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the rates of each network by name, float32 (steps,): the schedule's, times its ratio where it has one.

    Networks in `own` follow a schedule of their own; others than `applies_to` (unless it is ALL) keep the peak throughout.
    """
    following = schedule.rates(steps)
    constant = np.full(steps, np.float32(schedule.peak))
    rates = {}
    for network in networks:
        if own is not None and network in own:
            mine = own[network].rates(steps)
        else:
            mine = following if applies_to in (ALL, network) else constant
        ratio = (ratios or {}).get(network)
        rates[network] = mine if ratio is None else (mine.astype(np.float64) * ratio).astype(np.float32)
    return rates
