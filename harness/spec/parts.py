"""Tables of the study file that name a part and set it: their models are read off the parts' declarations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BeforeValidator, Discriminator, Field, FiniteFloat, Tag, create_model

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
        """The settings as the part's builder takes them."""
        return self.part.set({each.name: getattr(self, each.name) for each in kinds.settings_of(self.part.settings)})

    def __reduce__(self) -> tuple[Any, ...]:
        """By the part's name: the model itself is made anew in every process."""
        base = next(each for each in type(self).__mro__ if "role" in vars(each))
        return _remade, (base, self.name, dict(self), set(self.model_fields_set))


def variants(base: type[PartSection], *, default: str, text: str, plain: bool = False) -> Any:
    """The annotation of a key whose table is one of the parts of `base`'s role; without a name it is `default`'s.

    `text` describes the key `name`. With `plain` the name alone stands for the table.
    """
    models = {name: _variant(base, part, text) for name, part in kinds.parts(base.role).items()}
    members = tuple(Annotated[model, Tag(tag(name))] for name, model in models.items())
    union: Any = Union[members]  # noqa: UP007  # of one member, too

    def named(value: Any) -> str:
        name = value.get("name", default) if isinstance(value, Mapping) else getattr(value, "name", default)
        return tag(str(name))

    chosen: Any = Annotated[union, Discriminator(named)]
    return Annotated[chosen, BeforeValidator(_table)] if plain else chosen


def variant(base: type[PartSection], name: str) -> type[PartSection]:
    """The model of one part's table; KindError for an unknown name."""
    return _variant(base, kinds.find(base.role, name, key=f"{base.role}.name"), "")


def _remade(base: type[PartSection], name: str, values: dict[str, Any], written: set[str]) -> PartSection:
    return variant(base, name).model_construct(_fields_set=written, **values)


def tag(name: str) -> str:
    """What pydantic's faults call a variant: no name in a study file has such characters."""
    return f"<{name}>"


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
    limits: dict[str, Any] = {}
    if setting.type in (int, float):
        limits["gt" if setting.open_low else "ge"] = setting.type(setting.low)
        limits["lt" if setting.open_high else "le"] = setting.type(setting.high)
    annotation: Any = FiniteFloat if setting.type is float else setting.type
    if setting.choices:
        annotation = Literal[setting.choices]
    return annotation, Field(default=setting.default, description=setting.help, **limits)
