"""A table of the study file: frozen, strict, unknown keys refused."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A table of the study file.

    A key marked `later` came after the first release: it is left out of the written form while it has its default, so
    that a study file that does not know it keeps its digest. A key marked `retired` is still read and never offered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def sets(self, key: str) -> bool:
        """Whether the file gives `key` a value on purpose: another than the default, or while other keys are left out.

        A table that writes out every key, as `--dry-run` prints it, says nothing by a default.
        """
        field = type(self).model_fields.get(key)
        if field is None:  # a setting that another part has
            return False
        if getattr(self, key) != field.get_default(call_default_factory=True):
            return True
        fields = type(self).model_fields  # the written form leaves out those that are marked `later`
        left_out = [name for name in fields if name not in self.model_fields_set and not marked(fields[name], "later")]
        return key in self.model_fields_set and any(getattr(self, name) is not None for name in left_out)

    @model_serializer(mode="wrap")
    def _without_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if marked(field, "later") and getattr(self, name) == field.get_default(call_default_factory=True):
                values.pop(name, None)
        return values


def marked(field: FieldInfo, word: str) -> bool:
    """Whether a key carries a mark."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get(word))
