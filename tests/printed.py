"""Whether what `--json` prints is as docs/output.schema.json says, and no more."""

import copy
import json

import jsonschema

from harness import command_line, json_output


def check(name, value):
    """Raise unless `value`, as printed, is a `name` of the published schema without a key that this does not describe."""
    schema = copy.deepcopy(json_output.schema())
    for each in schema["$defs"].values():
        each["additionalProperties"] = False
    printed = json.loads(json.dumps(value, allow_nan=False))
    assert printed["format"] == command_line.FORMAT
    jsonschema.validate(printed, {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
