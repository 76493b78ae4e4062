"""Save the first screen of a report as a picture, as the README shows it: page_picture.py RESULTS PICTURE.png

Needs Debian's chromium and the package playwright (extra `test`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]


def main(results: str, picture: str) -> None:
    """Write the picture of `results`/report.html, 1200 x 860 pixels, to the file `picture`."""
    page = Path(results) / "report.html"
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)
        shown = browser.new_page(viewport={"width": 1200, "height": 860})
        shown.goto(page.resolve().as_uri())
        shown.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} RESULTS PICTURE.png")
    main(sys.argv[1], sys.argv[2])
