"""`python -m harness.spec DIR` writes the JSON schema and the page of all keys of study files into DIR.

Where DIR has a folder `published`, the page of the studies in it is written as its README.md.
"""

import json
import sys
from pathlib import Path

from harness.spec.document import keys_page, schema
from harness.spec.loading import load
from harness.spec.published import published_page

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    (folder / "study.schema.json").write_text(
        json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / "keys.md").write_text(keys_page(), encoding="utf-8")
    published = folder / "published"
    if published.is_dir():
        studies = [load(path) for path in sorted(published.glob("*.toml"))]
        (published / "README.md").write_text(published_page(studies), encoding="utf-8")
