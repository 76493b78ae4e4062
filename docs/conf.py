"""How Sphinx makes the site of the repository's Markdown, which is read where it lies; the command is `scripts/site`.

docs/index.md is the navigation: its headings and links, in order, are the list at the side of every page.
"""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = "README"


def navigation():
    """The groups of docs/index.md: heading -> [(title, page relative to the repository, without its ending)]."""
    groups = {}
    for line in (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            groups[line.removeprefix("## ")] = pages = []
        elif found := re.fullmatch(r"- \[(.+)\]\((.+)\.md\)", line):
            page = (ROOT / "docs" / found[2]).resolve().relative_to(ROOT)
            pages.append((found[1], page.as_posix()))
    return groups


NAVIGATION = navigation()
LISTED = {page for pages in NAVIGATION.values() for _, page in pages}
# A study's report lies beside its README.md, which links to it.
REPORTS = {
    f"{Path(page).parent.as_posix()}/report" for page in LISTED if (ROOT / page).with_name("report.html").is_file()
}

project = "schedule-harness"
author = copyright = "The schedule-harness authors"
extensions = ["myst_parser"]
root_doc = HOME
include_patterns = [f"{page}.md" for page in sorted(LISTED | REPORTS)] + ["docs/**.md"]
exclude_patterns = [".*", "venv*", "build", "dist", "runs", "harness", "tests", "benchmarks", "scripts", "*.egg-info"]
myst_heading_anchors = 4  # as GitHub names them
highlight_language = "none"
smartquotes = False  # they make a dash of the two hyphens of an option

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_search_summary = False  # it would fetch every page found, which a folder on a disk cannot
html_show_sphinx = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
linkcheck_anchors = False  # of pages that scripts make
linkcheck_timeout = 20


def navigate(app, page, source):
    """Give the home page the navigation, and call pages that it does not list orphans."""
    if page == HOME:
        for heading, pages in NAVIGATION.items():
            entries = [f"{title} <{'self' if name == HOME else '/' + name}>" for title, name in pages]
            source[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {heading}", "", *entries, "```\n"])
    if page in REPORTS:  # the study's own page takes its place: what the search finds of it is its first screen
        source[0] = source[0].partition("\n## ")[0]
    if page in REPORTS - LISTED or page == "docs/index":
        source[0] = f"---\norphan: true\n---\n{source[0]}"


def finish(app, error):
    """Let the site begin at the home page, and show a study's report as the page that the study made."""
    if error or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    again = f'<!doctype html><meta charset="utf-8"><title>{project}</title><meta http-equiv="refresh" content="0; url={HOME}.html">'
    (folder / "index.html").write_text(f'{again}<a href="{HOME}.html">{project}</a>\n', encoding="utf-8")
    for report in REPORTS:
        shutil.copyfile(ROOT / f"{report}.html", folder / f"{report}.html")


def setup(app):
    app.connect("source-read", navigate)
    app.connect("build-finished", finish)
