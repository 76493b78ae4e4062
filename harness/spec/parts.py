"""Tables of the study file that name a part and set it: their models are read off the parts' declarations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    FiniteFloat,
    JsonValue,
    SerializerFunctionWrapHandler,
    Tag,
    create_model,
    model_serializer,
)

from harness import kinds
from harness.kinds import Part, Setting
from harness.spec.section import Section


class PartSection(Section):
    """A table with a part's `name` and, beside it, the part's own settings."""

    role: ClassVar[str]
    name: str

    @property
    def part(self) -> Any:
        """The declaration: a Part of the table's role."""
        return kinds.find(self.role, self.name, key=f"{self.role}.name")

    @property
    def settings(self) -> Any:
        """The settings as the part's builder takes them; of a part of the user's own its `options`."""
        if kinds.is_own(self.name):
            written = {name: getattr(self, name) for name in type(self).model_fields}
            latent = {} if written.get("latent") is None else {"latent": written["latent"]}
            return self.part.set({**written["options"], **latent})
        return self.part.set({each.name: getattr(self, each.name) for each in kinds.settings_of(self.part.settings)})

    def __reduce__(self) -> tuple[Any, ...]:
        """By the part's name: the model itself is made anew in every process."""
        base = next(each for each in type(self).__mro__ if "role" in vars(each))
        return _remade, (base, self.name, dict(self), set(self.model_fields_set))


class NamedSection(PartSection):
    """A part by its name alone, or as a table with its settings."""

    @model_serializer(mode="wrap")
    def _name_alone(self, handler: SerializerFunctionWrapHandler) -> Any:
        """As files have it that set nothing."""
        return self.name if self == type(self)(name=self.name) else handler(self)


def default_of(base: type[PartSection], name: str) -> Any:
    """The table of a part that sets nothing."""
    return variant(base, name)(name=name)


def variants(base: type[PartSection], *, default: str, text: str, plain: bool = False) -> Any:
    """The annotation of a key whose table is one of the parts of `base`'s role; without a name it is `default`'s.

    `text` describes the key `name`. With `plain` the name alone stands for the table.
    """
    models = {name: _variant(base, part, text) for name, part in kinds.parts(base.role).items()}
    members = (
        *(Annotated[model, Tag(tag(name))] for name, model in models.items()),
        Annotated[_own(base, text), Tag(OWN)],
    )
    union: Any = Union[members]  # noqa: UP007  # of one member, too

    def named(value: Any) -> str:
        name = value.get("name", default) if isinstance(value, Mapping) else getattr(value, "name", default)
        return OWN if kinds.is_own(str(name)) else tag(str(name))

    chosen: Any = Annotated[union, Discriminator(named)]
    return Annotated[chosen, BeforeValidator(_table)] if plain else chosen


def variant(base: type[PartSection], name: str) -> type[PartSection]:
    """The model of one part's table; KindError for an unknown name."""
    if kinds.is_own(name):
        return _own(base, "")
    return _variant(base, kinds.find(base.role, name, key=f"{base.role}.name"), "")


def _remade(base: type[PartSection], name: str, values: dict[str, Any], written: set[str]) -> PartSection:
    return variant(base, name).model_construct(_fields_set=written, **values)


def tag(name: str) -> str:
    """What pydantic's faults call a variant: no name in a study file has such characters."""
    return f"<{name}>"


OWN = "<own>"  # the tag of a part in a file of the user's own
OWN_LABEL = "FILE.py:NAME"  # what documents call it
_own_models: dict[type[PartSection], type[PartSection]] = {}


def _own(base: type[PartSection], text: str) -> type[PartSection]:
    """The model of a table whose name is of a file: the part's settings stand in `options`, which a worker checks."""
    if base not in _own_models:
        later: Any = {"later": True}
        settings: Any = Field(
            default_factory=dict, description="the part's settings, which a worker checks", json_schema_extra=later
        )
        fields: dict[str, Any] = {"name": (str, Field(description=text)), "options": (dict[str, JsonValue], settings)}
        if base.role == "network":
            length = Field(default=None, ge=1, description="length of the latent vector (64)", json_schema_extra=later)
            fields["latent"] = (int | None, length)
        title = f"{base.__name__.removesuffix('Spec')}-own"
        help_ = f"{'an' if base.role[0] in 'aeo' else 'a'} {base.role} of your own, in a file beside the study (docs/own_code.md)"
        _own_models[base] = create_model(title, __base__=base, __doc__=help_, __module__=__name__, **fields)
    return _own_models[base]


def _table(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


_made: dict[tuple[type[PartSection], str, int], type[PartSection]] = {}


def _variant(base: type[PartSection], part: Part, text: str) -> type[PartSection]:
    key = (base, part.name, id(part))
    if key not in _made:
        fields: dict[str, Any] = {"name": (Literal[part.name], Field(default=part.name, description=text))}
        fields |= {setting.name: _field(setting) for setting in kinds.settings_of(part.settings)}
        fields |= {
            name: (type(value), Field(default=value, json_schema_extra={"retired": True}))
            for name, value in part.retired.items()
        }
        title = f"{base.__name__.removesuffix('Spec')}-{part.name}"
        _made[key] = create_model(title, __base__=base, __doc__=part.help, __module__=__name__, **fields)
    return _made[key]


def _field(setting: Setting) -> tuple[Any, Any]:
    limits: dict[str, Any] = {"json_schema_extra": {"later": True}} if setting.later else {}
    if setting.type in (int, float):
        limits["gt" if setting.open_low else "ge"] = setting.type(setting.low)
        limits["lt" if setting.open_high else "le"] = setting.type(setting.high)
    annotation: Any = FiniteFloat if setting.type is float else setting.type
    if setting.choices:
        annotation = Literal[setting.choices]
    return annotation, Field(default=setting.default, description=setting.help, **limits)
