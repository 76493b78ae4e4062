"""Tables of the study file that say what changes within a run: [schedules.LABEL] and [train.scheduled]."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    Field,
    FiniteFloat,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from harness import arms, kinds, schedules
from harness.spec.parameter import Parameter, Range, ends, limits
from harness.spec.parts import NamedSection, variants
from harness.spec.section import Section

Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]


class OptimizerSpec(NamedSection):
    """An optimizer, by name alone or as a table with its settings."""

    role: ClassVar[str] = "optimizer"


class TrainedWith(NamedTuple):
    """What a model is built with that schedules of one study may differ in: runs of equal ones are trained by one model."""

    optimizer: OptimizerSpec
    precision: Precision


if TYPE_CHECKING:
    AnyOptimizer = OptimizerSpec
    NamedOptimizer = OptimizerSpec
else:
    AnyOptimizer = variants(OptimizerSpec, default="adam", text="optimizer", plain=True)
    NamedOptimizer = variants(OptimizerSpec, default="", text="optimizer", plain=True)  # whose table needs a name


def network_names() -> list[str]:
    """The networks of every kind of model, each once."""
    models: dict[str, Any] = kinds.parts("model")
    return list(dict.fromkeys(name for part in models.values() for name in part.networks))


def _whole(value: Any) -> Any:
    """A float that is a whole number as an int; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def written(value: Parameter) -> Any:
    """A parameter as files have it."""
    return value.model_dump() if isinstance(value, Range) else value


def _sorted(settings: dict[str, Any], raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings as `fields`, numbers and ranges that a search may vary, and `given`, lists and texts.

    By what a shape declares; of one whose file has not been executed by what is written.
    """
    kind = raw.get("kind")
    known = isinstance(kind, str) and not kinds.is_own(kind) and kind in schedules.all_shapes()
    if known:
        given = {each.name for each in schedules.shape_fields(str(kind)) if each.type not in (int, float)}
    else:
        given = {name for name, value in settings.items() if isinstance(value, list | tuple | str | bool)}
    return {
        "fields": {name: value for name, value in settings.items() if name not in given},
        "given": {name: value for name, value in settings.items() if name in given},
    }


class ShapeSpec(Section):
    """A shape's or rule's `kind` and its own fields, each a number or a range; `given` are its lists and texts."""

    kind: str = Field(description="shape or rule")
    fields: dict[str, Parameter] = Field(default_factory=dict)
    given: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: Any) -> Any:
        """Take the shape's fields, written beside `kind` in the file, into `fields`."""
        if not isinstance(raw, dict) or "fields" in raw:
            return raw
        for key in OF_A_SCHEDULE:
            if key in raw:
                raise ValueError(f"{key} is of a whole schedule: allowed here are kind and the settings of a shape")
        return {"kind": raw.get("kind"), **_sorted({key: value for key, value in raw.items() if key != "kind"}, raw)}

    @field_validator("fields")
    @classmethod
    def _whole_numbers(cls, fields: dict[str, Parameter], info: ValidationInfo) -> dict[str, Parameter]:
        """Whole numbers, which validation as numbers has made floats, are whole again where the shape wants them so.

        Of a shape in a file of the user's own all are, so that the study is the same whether the file may be executed.
        """
        if kinds.is_own(info.data.get("kind", "")):
            return {name: _whole(value) for name, value in fields.items()}
        whole = schedules.whole_fields(info.data["kind"]) if "kind" in info.data else frozenset()
        return {name: _whole(value) if name in whole else value for name, value in fields.items()}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if schedules.is_unread(self.kind):  # checked once its file may be executed
            return self
        for _ in self.made():  # the shape itself is the judge of what it allows, so that there is one rule in one place
            pass
        return self

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.settings}

    @property
    def settings(self) -> dict[str, Any]:
        """The fields that are set, as files have them."""
        return {**{name: written(value) for name, value in self.fields.items()}, **self.given}

    def made(self) -> Iterator[schedules.Shape]:
        """The shape or rule at every combination of the ends of its ranges; ScheduleError for what it does not allow."""
        whole = schedules.whole_fields(self.kind)  # an unknown kind is named here, whatever its fields
        corners = {
            name: [_whole(end) if name in whole else end for end in ends(value)] for name, value in self.fields.items()
        }
        for corner in itertools.product(*corners.values()):
            yield schedules.shape(self.kind, **dict(zip(corners, corner, strict=True)), **self.given)


class ScheduleSpec(ShapeSpec):
    """One schedule: its shape's `kind` and the shape's own fields, and what it has other than the study's other schedules.

    A table named after a network gives that network a shape of its own; without a `kind` it is of the same.
    """

    networks: dict[str, ShapeSpec] = Field(default_factory=dict)
    applies_to: str | None = Field(default=None, description="instead of train.applies_to")
    optimizer: NamedOptimizer | None = Field(default=None, description="instead of train.optimizer, alike")
    weight_decay: Parameter | None = Field(default=None, description="instead of space.weight_decay, alike")
    precision: Precision | None = Field(default=None, description="instead of train.precision, alike")
    steps: int | None = Field(
        default=None,
        ge=1,
        description="instead of train.steps, and not above it: runs of the schedule end earlier, with the whole shape before; evaluated where all runs are, and at their end",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: Any) -> Any:
        """Sort what the file has beside `kind`: what is said of every schedule, networks' tables, the shape's fields."""
        if not isinstance(raw, dict) or "fields" in raw:
            return raw
        said = {key: raw[key] for key in OF_A_SCHEDULE if key in raw}
        others = {key: value for key, value in raw.items() if key not in ("kind", *OF_A_SCHEDULE)}
        names = network_names()
        networks = {
            key: {"kind": raw.get("kind"), **value}
            for key, value in others.items()
            if isinstance(value, dict) and (key in names or "kind" in value)
        }
        fields = {key: value for key, value in others.items() if key not in networks}
        return {"kind": raw.get("kind"), **said, "networks": networks, **_sorted(fields, raw)}

    @field_validator("weight_decay")
    @classmethod
    def _decay(cls, value: Parameter | None) -> Parameter | None:
        return weight_decay(value)

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "applies_to": self.applies_to,
            "optimizer": self.optimizer and self.optimizer.model_dump(mode="json"),
        }
        said |= {"weight_decay": None if self.weight_decay is None else written(self.weight_decay)}
        said |= {"precision": self.precision, "steps": self.steps}
        return {
            "kind": self.kind,
            **self.settings,
            **{name: value for name, value in said.items() if value is not None},
            **{name: shape.model_dump() for name, shape in self.networks.items()},
        }

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What is of this schedule alone, by name: its fields, those of networks' own shapes, its weight decay."""
        values = dict(self.fields)
        for network, shape in self.networks.items():
            values |= {arms.qualified(network, name): value for name, value in shape.fields.items()}
        return values if self.weight_decay is None else {**values, "weight_decay": self.weight_decay}

    def arm(self, applies_to: str) -> arms.Arm:
        """What training follows; `applies_to` is the study's."""
        networks = {network: shape.kind for network, shape in self.networks.items()}
        given = {place: shape.given for place, shape in self.shapes().items() if shape.given}
        return arms.Arm(self.kind, self.applies_to or applies_to, networks, given)

    def shapes(self) -> dict[str, ShapeSpec]:
        """The shapes and rules by place: the arm's own, then networks' own."""
        return {arms.MAIN: self, **self.networks}


OF_A_SCHEDULE = ("applies_to", "optimizer", "weight_decay", "precision", "steps")  # keys that no shape can have


def weight_decay(value: Parameter | None) -> Parameter | None:
    """A weight decay within its limits."""
    return None if value is None else limits(value, name="weight_decay", low=0.0, high=1.0)


class CourseSpec(Section):
    """From which value to which, along with the schedule's own shape or by another."""

    start: FiniteFloat = Field(description="value at the first step")
    end: FiniteFloat = Field(description="value where the shape has fallen to 0")
    kind: str | None = Field(
        default=None,
        description="shape of its own, with its defaults, over all steps and the same for every schedule; else the value is end + (start - end) times the fraction of the peak that the schedule's shape has left",
    )
    until: FiniteFloat | None = Field(
        default=None, gt=0, le=1, description="fraction of all steps that a shape of its own takes; 1 unless set"
    )

    @field_validator("kind")
    @classmethod
    def _kind(cls, value: str | None) -> str | None:
        if value is not None:
            schedules.shape(value)
            if schedules.is_rule(value):
                raise ValueError(f"kind is '{value}', a rule, which is known step by step; allowed are shapes")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.until is not None and self.kind is None:
            raise ValueError(f"until is {self.until:g}, but only a shape of its own has one, which `kind` names")
        return self

    @property
    def course(self) -> arms.Course:
        """What is trained with."""
        return arms.Course(self.start, self.end, self.kind, 1.0 if self.until is None else self.until)


def _later(text: str) -> Any:
    return Field(default=None, description=text, json_schema_extra={"later": True})


class ScheduledSpec(Section):
    """What else changes within a run: { start, end }, along with the rate, or by a shape of its own."""

    beta2: CourseSpec | None = _later("train.beta2; from 0, below 1")
    ema: CourseSpec | None = _later(
        "train.ema, whose half-life in steps changes: decay = 0.5 ** (1 / half-life); from 0, below 1; without the faster average of the first steps"
    )
    penalty: CourseSpec | None = _later("what the weights of all penalties are multiplied by; 0 to 1e6 (gan)")

    @field_validator("beta2", "ema")
    @classmethod
    def _decays(cls, value: CourseSpec | None) -> CourseSpec | None:
        return _within(value, lambda end: 0 <= end < 1, "at least 0 and below 1")

    @field_validator("penalty")
    @classmethod
    def _factors(cls, value: CourseSpec | None) -> CourseSpec | None:
        return _within(value, lambda end: 0 <= end <= 1e6, "at least 0 and at most 1e+06")

    def courses(self) -> Iterator[tuple[str, arms.Course]]:
        """What is set, by name."""
        for name in type(self).model_fields:
            value: CourseSpec | None = getattr(self, name)
            if value is not None:
                yield name, value.course


def _within(value: CourseSpec | None, holds: Any, allowed: str) -> CourseSpec | None:
    for name in ("start", "end") if value is not None else ():
        if not holds(getattr(value, name)):
            raise ValueError(f"{name} is {getattr(value, name):g}, but must be {allowed}")
    return value
