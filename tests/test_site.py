"""The documentation site: built without a warning, whole, quiet, and true to the code; what its pages tell to type can be typed."""

import functools
import html.parser
import importlib
import re
import runpy
import shlex
import shutil
import statistics
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness import __main__ as everything
from harness import kinds
from harness import spec as specs

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CHROMIUM = shutil.which("chromium")


@functools.cache
def text(path):
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, ROOT / "scripts" / "site", "--output", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder}/index.html\n"
    return folder


class Page(html.parser.HTMLParser):
    """Addresses, identifiers and pictures of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.names, self.silent = [], [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        loaded = given.get("href") if tag == "link" else given.get("src")
        self.loaded += [loaded] if loaded else []
        if tag == "img" and not given.get("alt"):
            self.silent.append(given.get("src"))


@pytest.fixture(scope="module")
def pages(site):
    """Every page by its path."""
    return {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_link_and_anchor_within_the_site_leads_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].names if target in pages else set()
            if not target.exists() or (parts.fragment and urllib.parse.unquote(parts.fragment) not in anchors):
                lost.append((path.name, link))
    assert lost == []


def test_nothing_is_loaded_from_elsewhere_and_every_picture_says_what_it_shows(pages):
    assert {link for page in pages.values() for link in page.loaded if re.match(r"(\w+:)?//", link)} == set()
    assert {path.name: page.silent for path, page in pages.items() if page.silent} == {}


def test_the_site_begins_at_the_readme_and_shows_a_study_s_own_page(site):
    assert "url=README.html" in (site / "index.html").read_text(encoding="utf-8")
    assert "<h1>schedule-harness" in (site / "README.html").read_text(encoding="utf-8")
    assert (site / "results/digits/report.html").read_bytes() == (ROOT / "results/digits/report.html").read_bytes()


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_pages_of_wide_tables_and_long_lines_fit_a_phone(site):
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    with sync_api.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown, wide = browser.new_page(viewport={"width": 390, "height": 800}), {}
        for name in ("README", "docs/why", "docs/reference/python", "docs/reference/commands", "studies/keys"):
            shown.goto((site / f"{name}.html").as_uri())
            wide[name] = shown.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert {name: width for name, width in wide.items() if width > 390} == {}


def test_every_page_of_docs_is_in_the_navigation_under_its_one_source():
    listed = runpy.run_path(str(ROOT / "docs" / "conf.py"))["LISTED"]
    assert {path.relative_to(ROOT).with_suffix("").as_posix() for path in PAGES} - {"docs/index"} <= listed
    assert [page for page in listed if not (ROOT / f"{page}.md").is_file()] == []


def test_the_reference_follows_from_the_code():
    command = [
        sys.executable,
        ROOT / "scripts" / "reference",
        "--check",
    ]  # by itself: other tests add parts to this process
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_reference_names_every_public_name_every_part_and_every_command():
    python, commands = (text(ROOT / "docs" / "reference" / f"{name}.md") for name in ("python", "commands"))
    for name in harness.__all__:
        assert f"\n### `harness.{name}`\n" in python
    for part in kinds.Part.__subclasses__():
        if "role" in vars(part) and part.__module__.startswith("harness."):
            assert f"\nfrom {part.__module__} import {part.__name__}\n" in python
    for name, (module, _) in everything.COMMANDS.items():
        assert f"\n## harness {name}\n" in commands
        assert f"python -m {module.removesuffix('.__main__')}" in commands
    for module in re.findall(r"python -m (harness\.[\w.]+)", text(ROOT / "README.md")):
        assert module in commands


def typed():
    """(page, command) of every line in the pages' shell blocks that calls the harness."""
    for page in PAGES:
        for block in re.findall(r"^ *```bash\n(.*?)^ *```", text(page), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["harness"] or (words[:2] == ["python", "-m"] and words[2].startswith("harness")):
                    yield page.name, words


def test_what_a_page_tells_to_type_is_a_command_with_such_options(capsys):
    said = list(typed())
    assert {"tutorial.md", "own_images.md", "own_features.md", "cluster.md"} <= {page for page, _ in said}
    modules = {name: module for name, (module, _) in everything.COMMANDS.items()}
    for page, words in said:
        if words == ["harness"]:
            continue
        module, given = (modules[words[1]], words[2:]) if words[0] == "harness" else (words[2], words[3:])
        found = importlib.import_module(module)
        found = found if hasattr(found, "parser") else importlib.import_module(f"{module}.__main__")
        try:
            found.parser().parse_args([word for word in given if word != "&"])
        except SystemExit:
            pytest.fail(f"{page}: {shlex.join(words)}: {capsys.readouterr().err}")


@pytest.mark.parametrize("page", ["tutorial", "own_images"])
def test_the_study_files_of_a_page_are_read(page, tmp_path):
    (tmp_path / "photos").mkdir()
    found = re.findall(
        r"<!-- file: (\w+\.toml) -->\n *```toml\n(.*?)^ *```", text(ROOT / "docs" / f"{page}.md"), re.M | re.S
    )
    assert found
    for name, content in found:
        (tmp_path / name).write_text(re.sub(r"^   ", "", content, flags=re.MULTILINE), encoding="utf-8")
        study = specs.load(tmp_path / name)
        assert study.name == name.removesuffix(".toml")
        assert study.replicates.min >= 8


def test_the_figures_that_explain_pairing_follow_from_the_committed_studies():
    tables = [path for path in sorted(ROOT.glob("results/*/contrasts.csv")) if path.parent.name != "quick"]
    worth = pd.concat(map(pd.read_csv, tables))["pairing_efficiency"]  # the quick study is whoever's ran it
    said = " ".join(text(ROOT / "docs" / "why.md").split())
    assert (
        f"Of the {len(worth)} comparisons of the committed studies the pairs were worth {worth.min():.1f} to {worth.max():.1f}"
        in said
    )
    assert f"in the middle {statistics.median(worth):.1f} times; in {(worth < 1).sum()} pairing lost something" in said


def test_whoever_cites_the_harness_cites_this_version():
    cited = yaml.safe_load(text(ROOT / "CITATION.cff"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == harness.__version__
    assert cited["license"] == "MIT"
    assert cited["message"]
    assert cited["title"].startswith("schedule-harness")
    assert [author["name"] for author in cited["authors"]] == ["The schedule-harness authors"]
