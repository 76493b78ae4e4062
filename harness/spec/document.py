"""The study file in other forms: TOML of a resolved study, JSON schema for editors, a page of all keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w
from pydantic import BaseModel

from harness import schedules
from harness.spec.loading import model_of, resolved
from harness.spec.models import StudySpec


def to_toml(spec: StudySpec) -> str:
    """The resolved study as a TOML file: every default is written out."""
    return tomli_w.dumps(_without_none(resolved(spec)))


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of study files, for completion and checking in editors."""
    found = StudySpec.model_json_schema(mode="validation")
    parameter = {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/Range"}]}
    fields: dict[str, Any] = {"kind": {"enum": list(schedules.SHAPES), "description": "shape of the decay"}}
    for shape in schedules.SHAPES.values():
        for field in schedules.shape_fields(shape.kind):
            fields.setdefault(field.name, {**parameter, "description": field.help})
    found["$defs"]["ScheduleSpec"] = {
        "type": "object",
        "title": "ScheduleSpec",
        "description": "One schedule; `kind` may be left out where the label names a kind.",
        "properties": fields,
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def keys_page() -> str:
    """All keys of a study file as Markdown tables: key, default, meaning."""
    lines = [
        "# Keys of a study file",
        "",
        "Generated from the models by `python -m harness.spec`; do not edit.",
        "",
    ]
    sections: list[tuple[str, type[BaseModel]]] = [("", StudySpec), *_sections()]
    for section, model in sections:
        lines += [f"## {f'[{section}]' if section else 'Top level'}", ""]
        lines += [f"{(model.__doc__ or '').strip().splitlines()[0]}", ""]
        lines += ["| key | allowed | default | meaning |", "|---|---|---|---|"]
        properties = model.model_json_schema()["properties"]
        for name, field in model.model_fields.items():
            if model is StudySpec and _is_section(field.annotation):
                continue
            default = "required" if field.is_required() else f"`{_shown(field.default)}`"
            lines.append(f"| `{name}` | {_allowed(properties[name])} | {default} | {field.description or ''} |")
        lines.append("")
    lines += ["## [schedules.LABEL]", ""]
    lines += [
        "`kind` names the shape (default: the label); the others are the shape's own, numbers or ranges.",
        "",
    ]
    lines += ["| kind | key | allowed | default | meaning |", "|---|---|---|---|---|"]
    for kind in schedules.SHAPES:
        lines.append(f"| `{kind}` | | | | {schedules.shape_help(kind)} |")
        lines += [
            f"| | `{each.name}` | {each.allowed} | `{each.default}` | {each.help} |"
            for each in schedules.shape_fields(kind)
        ]
    return "\n".join(lines) + "\n"


_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _allowed(schema: Mapping[str, Any]) -> str:
    """What a key may hold, in words, from its JSON schema."""
    if "oneOf" in schema:
        return "number or range `{ low, high, log }`"
    forms = [form for form in schema.get("anyOf", [schema]) if form.get("type") != "null"]
    return " or ".join(_form(form) for form in forms)


def _form(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if schema.get("format") == "path":
        return "path"
    if "pattern" in schema:
        return "name"
    if schema["type"] == "array":
        return "list of names"
    limits = [f"{word} {_plain(schema[key])}" for key, word in _LIMITS.items() if key in schema and schema[key] < 2**62]
    if "maxLength" in schema:
        limits.append(f"up to {schema['maxLength']} characters")
    return " ".join([_TYPES[schema["type"]], *limits])


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in StudySpec.model_fields.items():
        if _is_section(field.annotation) and name != "schedules":
            yield name, model_of(field.annotation)


def _is_section(annotation: Any) -> bool:
    model = model_of(annotation)
    return isinstance(model, type) and issubclass(model, BaseModel)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return json.dumps(value)
    return "none" if value is None else str(value)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }
