"""The study file in other forms: TOML of a resolved study, JSON schema for editors, a page of all keys."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomli_w
from pydantic import BaseModel

from harness import kinds, schedules
from harness.kinds import Setting
from harness.spec.loading import is_model, model_of, resolved, tagged
from harness.spec.models import StudySpec, TrainSpec
from harness.spec.parts import OWN_LABEL, PartSection
from harness.spec.schedule import OF_A_SCHEDULE, CourseSpec, Precision, ScheduledSpec, ScheduleSpec, network_names
from harness.spec.section import marked


def to_toml(spec: StudySpec) -> str:
    """The resolved study as a TOML file: every default is written out."""
    return tomli_w.dumps(_without_none(resolved(spec)))


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of study files, for completion and checking in editors.

    A table that names a part offers that part's settings and no others.
    """
    found = StudySpec.model_json_schema(mode="validation")
    definitions = found["$defs"]
    for title in _choices(definitions):
        for name, property_ in list(definitions[title]["properties"].items()):
            if property_.pop("retired", False):
                del definitions[title]["properties"][name]
    own = {"type": "string", "pattern": f"^{kinds.OWN_NAME}$"}
    definitions["Network-own"] = _with_file(definitions["Network-own"])
    train = definitions["TrainSpec"]["properties"]
    # The property, the part of a table without a name, and whether a name may stand for the table.
    for holder, default, plain in (
        (found["properties"]["model"], "gan", False),
        (found["properties"]["network"], "dcgan", False),
        (train["optimizer"], "adam", True),
        (train["loss"], "non_saturating", True),
        (train["penalties"]["items"], "", True),
        (train["augment"]["items"], "", True),
    ):
        members = holder.pop("oneOf")
        names = []
        for member in members:
            table = definitions[_title(member)]
            name = table["properties"]["name"]
            if "const" not in name:  # of files of the user's own; of models also of the kind that is called so
                name["pattern"] = f"^(own|{kinds.OWN_NAME})$" if default == "gan" else own["pattern"]
                continue
            names.append(name["const"])
            if name["const"] != default:  # a table without a name is the default's
                table["required"] = ["name"]
        holder["anyOf"] = [*([{"enum": names}, own] if plain else []), *members]
    definitions |= _schedule_schemas(own, train["optimizer"]["anyOf"])
    features = definitions["EvaluateSpec"]["properties"]["features"]
    features["anyOf"] = [
        {"enum": features.pop("enum")},
        own,
        {"type": "string", "pattern": f"^{kinds.file_pattern()}$"},
    ]
    for section in (found, *definitions.values()):
        for property_ in section.get("properties", {}).values():
            property_.pop("later", None)
    labels = found["properties"]["schedules"]
    (pattern,) = labels.pop("patternProperties")  # to a form of schedules that no file has
    found["properties"]["schedules"] = {**labels, "propertyNames": {"pattern": pattern}, **_labels()}
    for name in ("ScheduleSpec", "ShapeSpec"):
        definitions.pop(name, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _with_file(table: Mapping[str, Any]) -> dict[str, Any]:
    """Networks of a file, which `file` and `make` may name as well as `name`."""
    written = {
        "file": {"type": "string", "description": "Python file beside the study file; instead of name"},
        "make": {"type": "string", "default": "build", "description": "function or class in it"},
    }
    return {
        **table,
        "properties": {**table["properties"], **written},
        "required": [],
        "anyOf": [{"required": ["name"]}, {"required": ["file"]}],
    }


def _title(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rsplit("/", 1)[1]


def _choices(definitions: Mapping[str, Any]) -> list[str]:
    """The tables that are one of several parts."""
    roles = ("Network-", "Model-", "Loss-", "Optimizer-", "Penalty-", "Augmentation-")
    return [title for title in definitions if title.startswith(roles)]


_PARAMETER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/Range"}]}
_GIVEN: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    tuple: {"type": "array", "items": {"type": "number"}},
}


def _schedule_schemas(own: Mapping[str, Any], optimizer: Sequence[Any]) -> dict[str, Any]:
    """The tables of a schedule: one per shape, and what any of them may say besides."""
    said = {key: str(ScheduleSpec.model_fields[key].description) for key in OF_A_SCHEDULE}
    forms: dict[str, Mapping[str, Any]] = {
        "applies_to": {"enum": [schedules.ALL, *network_names()]},
        "optimizer": {"$ref": "#/$defs/optimizer-of-a-schedule"},
        "weight_decay": _PARAMETER,
        "precision": {"enum": list(typing.get_args(Precision))},
        "steps": {"type": "integer", "minimum": 1},
    }
    besides: dict[str, Any] = {key: {**forms[key], "description": text} for key, text in said.items()}
    of_a_network = {"$ref": "#/$defs/shape-of-a-network", "description": "a shape of the network's own"}
    besides |= dict.fromkeys(network_names(), of_a_network)
    any_shape = {
        "type": "object",
        "description": "a schedule of your own, in a file beside the study (docs/own_code.md)",
        "properties": {"kind": own},
        "additionalProperties": {"anyOf": [*_PARAMETER["anyOf"], *_GIVEN.values()]},
    }
    shapes = {kind: _shape_schema(kind) for kind in schedules.all_shapes()} | {"own": any_shape}
    found: dict[str, Any] = {
        "optimizer-of-a-schedule": {"anyOf": list(optimizer)},
        "shape-of-a-network": {"anyOf": [{"$ref": f"#/$defs/shape-{kind}"} for kind in shapes]},
    }
    for kind, shape in shapes.items():
        found[f"shape-{kind}"] = shape
        found[f"schedule-{kind}"] = {**shape, "properties": {**shape["properties"], **besides}}
    any_kind = [{"$ref": f"#/$defs/schedule-{kind}"} for kind in shapes]
    return {**found, "schedule-of-a-kind": {"anyOf": any_kind, "required": ["kind"]}}


def _shape_schema(kind: str) -> dict[str, Any]:
    fields = {info.name: {**_setting_schema(info), "description": info.help} for info in schedules.shape_fields(kind)}
    return {
        "type": "object",
        "description": schedules.shape_help(kind),
        "properties": {"kind": {"const": kind, "description": "shape or rule"}, **fields},
        "additionalProperties": False,
    }


def _setting_schema(setting: Setting) -> dict[str, Any]:
    if setting.choices:
        return {"enum": list(setting.choices)}
    return _GIVEN.get(setting.type, _PARAMETER)


def _labels() -> dict[str, Any]:
    """A label that is a shape's may leave `kind` out; any other names it."""
    any_kind = {"$ref": "#/$defs/schedule-of-a-kind"}
    return {
        "properties": {
            kind: {"anyOf": [{"$ref": f"#/$defs/schedule-{kind}"}, any_kind]} for kind in schedules.all_shapes()
        },
        "additionalProperties": any_kind,
    }


def keys_page() -> str:
    """All keys of a study file as Markdown tables: key, default, meaning."""
    lines = [
        "# Keys of a study file",
        "",
        "Generated from the models by `python -m harness.spec`; do not edit.",
        "",
    ]
    sections: list[tuple[str, Any]] = [("", StudySpec), *_sections()]
    for section, annotation in sections:
        lines += [f"## {f'[{section}]' if section else 'Top level'}", ""]
        if choices := tagged(annotation):
            lines += _parts(section, [*choices.values()])
            continue
        model = model_of(annotation)
        lines += [_meaning(model), "", *_keys(model)]
        if model is TrainSpec:
            for key in ("optimizer", "loss"):
                lines += [f"`{key}` has settings of its own in the table `[train.{key}]`:", ""]
                lines += _rows([*tagged(TrainSpec.model_fields[key].annotation).values()])
            for key in ("penalties", "augment"):
                lines += [f"`{key}` is a list of names, or of tables `[[train.{key}]]` with settings:", ""]
                lines += _rows([*tagged(TrainSpec.model_fields[key].annotation).values()])
            lines += _table("train.scheduled", ScheduledSpec)
            lines += ['Each is a table such as `{ start = 0.9, end = 0.99, kind = "cosine", until = 0.5 }`:', ""]
            lines += _keys(CourseSpec)
    lines += ["## [schedules.LABEL]", ""]
    lines += [
        "`kind` names the shape or rule (default: the label); the others are its own, numbers or ranges unless lists or texts. A "
        "table named after a network, `[schedules.LABEL.NETWORK]`, gives that network one of its own, of the same `kind` unless it "
        "names one. A shape is a table of fractions of the peak, known in advance; a rule decides on factors of the peak while "
        "training goes on.",
        "",
    ]
    lines += _keys(ScheduleSpec, only=OF_A_SCHEDULE)
    lines += ["| kind | key | allowed | default | meaning |", "|---|---|---|---|---|"]
    for kind in schedules.all_shapes():
        lines.append(f"| `{kind}` | | | | {schedules.shape_help(kind)} |")
        lines += [
            f"| | `{each.name}` | {each.allowed} | `{_shown(each.default)}` | {each.help} |"
            for each in schedules.shape_fields(kind)
        ]
    return "\n".join(lines) + "\n"


def _table(section: str, model: type[BaseModel]) -> list[str]:
    return [f"## [{section}]", "", _meaning(model), "", *_keys(model)]


def _meaning(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _keys(model: type[BaseModel], *, only: Sequence[str] | None = None) -> list[str]:
    """The keys of a section, those of sections within it apart."""
    lines = ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        if (model is StudySpec and _is_section(field.annotation)) or (only is not None and name not in only):
            continue
        default = "required" if field.is_required() else f"`{_shown(field.get_default(call_default_factory=True))}`"
        lines.append(f"| `{name}` | {_allowed(properties[name])} | {default} | {field.description or ''} |")
    return [*lines, ""]


def _parts(section: str, choices: Sequence[type[BaseModel]]) -> list[str]:
    """The table of a section that is one of several parts."""
    first = choices[0].model_fields["name"].description
    return [f"`name` says {first}; the others are the part's own.", "", *_rows(choices)]


def _rows(choices: Sequence[type[BaseModel]]) -> list[str]:
    lines = ["| name | key | allowed | default | meaning |", "|---|---|---|---|---|"]
    for model in choices:
        properties = model.model_json_schema()["properties"]
        name = model.model_fields["name"]
        label = OWN_LABEL if name.is_required() else name.default
        lines.append(f"| `{label}` | | | | {model.__doc__} |")
        lines += [
            f"| | `{name}` | {_allowed(properties[name])} | `{_shown(field.get_default(call_default_factory=True))}` "
            f"| {field.description} |"
            for name, field in model.model_fields.items()
            if name != "name" and not marked(field, "retired")
        ]
    return [*lines, ""]


_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true`, `false`",
    "object": "table",
}
_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _allowed(schema: Mapping[str, Any]) -> str:
    """What a key may hold, in words, from its JSON schema."""
    if "oneOf" in schema:
        types = [form.get("type") for form in schema["oneOf"]]
        if "array" in types:  # a value, or several
            return " or ".join(map(_form, schema["oneOf"]))
        return "number or range `{ low, high, log }`" if "number" in types else "name or table, below"
    forms = [form for form in schema.get("anyOf", [schema]) if form.get("type") != "null"]
    return " or ".join(_form(form) for form in forms)


def _form(schema: Mapping[str, Any]) -> str:
    if "oneOf" in schema:
        return _allowed(schema)
    if "$ref" in schema:
        return "table, below"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if schema.get("format") == "path":
        return "path"
    if "pattern" in schema:
        return "name"
    if schema["type"] == "array":
        if "oneOf" in schema["items"]:
            return "list of names or tables, below"
        if schema["items"]["type"] == "string":
            return "list of names"
        return f"list of {_form(schema['items']).replace('number', 'numbers', 1)}"
    limits = [f"{word} {_plain(schema[key])}" for key, word in _LIMITS.items() if key in schema and schema[key] < 2**62]
    if "maxLength" in schema:
        limits.append(f"up to {schema['maxLength']} characters")
    return " ".join([_TYPES[schema["type"]], *limits])


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _sections() -> Iterator[tuple[str, Any]]:
    for name, field in StudySpec.model_fields.items():
        if _is_section(field.annotation) and name != "schedules":
            yield name, field.annotation


def _is_section(annotation: Any) -> bool:
    return is_model(model_of(annotation))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, PartSection):
        return value.name
    if isinstance(value, ScheduledSpec):
        return "none"
    if isinstance(value, tuple):
        return json.dumps(value)
    return "none" if value is None else str(value)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }
