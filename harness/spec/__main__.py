"""`python -m harness.spec DIR` writes the JSON schema and the page of all keys of study files into DIR."""

import json
import sys
from pathlib import Path

from harness.spec.document import keys_page, schema

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    (folder / "study.schema.json").write_text(
        json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / "keys.md").write_text(keys_page(), encoding="utf-8")
