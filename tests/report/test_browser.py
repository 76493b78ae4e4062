"""The pages in a real browser (Debian's Chromium): quiet, narrow, legible, sortable, and deaf to hostile names."""

import json
import shutil

import pytest

from harness import report
from harness.report import cross_study
from tests.report.example import results

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
HOSTILE = (
    "constant",
    HTML,
    r"$\frac{1}{0}$ **bold** [link](javascript:alert(1)) `code` | a & b \input{x}",
    "\u202eتناقص المعدل",
    "a_very_long_name_" * 12,
    '"><svg onload="window.hacked=1">',
)
PAGES = ("plain", "hostile", "cross")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The files of the pages."""
    folder = tmp_path_factory.mktemp("pages")
    plain = results(folder / "plain", diverged=lambda label, phase, place: label == "exponential" and place == 2)
    kinds = dict.fromkeys(HOSTILE, "linear") | {"constant": "constant"}
    hostile = results(folder / "hostile", labels=HOSTILE, kinds=kinds, title=HTML, seeds=4, trials=3)
    study = json.loads((hostile / "study.json").read_text(encoding="utf-8"))
    study["name"] = HTML
    study["question"]["text"] = study["environment"]["cpu"] = study["command"] = study["data"]["name"] = HTML
    study["scores"]["fid_digits_5k"]["title"] = study["scores"]["fid_digits_5k"]["protocol"] = HTML
    study["spec"]["train"]["steps"] = 600
    (hostile / "study.json").write_text(json.dumps(study), encoding="utf-8")
    nine = ("constant", "linear", "exponential", "cosine", "polynomial", "step", "inverse_sqrt", "wsd", "rex")
    wide = results(folder / "nine", labels=nine, kinds=dict.fromkeys(nine, "linear"), seeds=6, noise=0.05)
    study = json.loads((wide / "study.json").read_text(encoding="utf-8"))
    study["warnings"], study["data"]["held_out"] = ["Features of other images."], 12
    (wide / "study.json").write_text(json.dumps(study), encoding="utf-8")
    made = {"plain": report.build(plain), "hostile": report.build(hostile), "nine": report.build(wide)}
    made["cross nine"] = cross_study.build([plain, wide], output=folder / "cross nine")
    return made | {"cross": cross_study.build([plain, hostile], output=folder / "cross")}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as engine:
        started = engine.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser, pages):
    """A function that opens a page in a profile of its own, and what the browser said and asked for meanwhile."""
    contexts, heard = [], []

    def opened(name, **options):
        contexts.append(browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options)))
        page = contexts[-1].new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith(("data:", pages[name].as_uri())) else heard.append(f"request: {asked.url}")
            ),
        )
        page.goto(pages[name].as_uri())
        return page

    yield opened, heard
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_console_message_no_request_no_sideways_scroll_on_a_phone(name, visit):
    opened, heard = visit
    page = opened(name, viewport={"width": 360, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert heard == []


WIDTHS = (1440, 1200, 390, 320)
OVERFLOWS = """() => [...document.querySelectorAll(".fit")].map(table => { const box = table.parentElement;
  const parts = [...table.querySelectorAll("th, td, .part")].filter(part => part.getBoundingClientRect().width > 0);
  return [box.scrollWidth - box.clientWidth, table.getBoundingClientRect().width - box.clientWidth,
    Math.max(...parts.map(part => part.scrollWidth - part.clientWidth).filter((_, i) => parts[i].tagName != "SPAN"))]; })"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["plain", "nine", "hostile", "cross nine"])
def test_the_tables_of_verdicts_and_claims_are_nowhere_cut(name, width, visit):
    opened, _ = visit
    page = opened(name, viewport={"width": width, "height": 900})
    found = page.evaluate(OVERFLOWS)
    assert len(found) >= (1 if name.startswith("cross") else 3)
    assert [beyond for table in found for beyond in table if beyond > 0.5] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_phone_has_a_block_per_row_and_each_number_its_head(visit):
    opened, _ = visit
    page = opened("plain", viewport={"width": 390, "height": 900})
    cell = page.locator("#verdict .fit td").nth(1)
    assert cell.evaluate("node => getComputedStyle(node, '::before').content") == '"difference (95 % interval)"'
    boxes = page.locator("#verdict .fit td").evaluate_all("all => all.map(one => one.getBoundingClientRect().y)")
    assert boxes == sorted(set(boxes))  # one below the other
    assert page.get_by_role("table").count() > 3  # still tables to a screen reader
    assert page.locator("#verdict").get_by_role("row").count() == 2
    assert page.locator("#verdict").get_by_role("rowheader").all_inner_texts() == ["linear", "exponential"]


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_lines_of_the_column_that_stays_meet_those_of_the_others(ratio, visit):
    """Row lines are drawn on whole pixels: the sticky column is painted by itself, and would be off by one else."""
    opened, _ = visit
    page = opened("nine", viewport={"width": 390, "height": 900}, device_scale_factor=ratio)
    heights = page.locator("#verdicts .scroll:not(details *) table:not(.fit) tbody tr").evaluate_all(
        """all => all.filter(row => row.getBoundingClientRect().height).map(row => [...row.cells].slice(0, 2).map(
        cell => { const box = cell.getBoundingClientRect(); return [box.height, box.bottom - row.parentElement.getBoundingClientRect().top]; }))"""
    )
    assert len(heights) >= 9
    assert all(first == second for first, second in heights)
    assert all(float(number).is_integer() for row in heights for cell in row for number in cell)


def test_the_first_screen_says_what_to_be_careful_with_and_what_other_weights_say(visit):
    opened, _ = visit
    page = opened("nine")
    warnings = page.get_by_role("list", name="Warnings").get_by_role("listitem").all_inner_texts()
    assert warnings[0] == "Features of other images."
    assert warnings[1].startswith("Best searched values at the edge of their range")
    assert (
        page.locator("#weights").inner_text().startswith("With averaged weights: Too few seeds for a verdict: linear, ")
    )
    for each in (".headline", ".warnings", "#weights", "#verdict .fit tbody tr >> nth=-1"):
        box = page.locator(each).bounding_box()
        assert box["y"] + box["height"] <= 900, each


def test_the_first_screen_of_a_desktop_holds_question_verdict_forest_and_samples(visit):
    opened, _ = visit
    page = opened("plain")
    for each in ("h1", ".verdict", "#figure-forest svg", ".grids img >> nth=-1"):
        box = page.locator(each).bounding_box()
        assert box["y"] + box["height"] <= 900, each


CONTRAST = """() => {
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = node => { for (; node; node = node.parentElement) {
    const found = parts(getComputedStyle(node).backgroundColor); if (found.length < 4 || found[3] > 0) return found; }
    return [255, 255, 255]; };
  const ratio = (one, two) => { const [a, b] = [light(one), light(two)].sort((x, y) => y - x); return (a + .05) / (b + .05); };
  const found = [...document.querySelectorAll("body *")].filter(node => node.closest("svg, script") === null &&
    [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())).map(node =>
    [ratio(parts(getComputedStyle(node).color), ground(node)), node.tagName + " " + node.textContent.slice(0, 40)]);
  for (const svg of document.querySelectorAll("figure svg"))
    found.push([ratio(parts(getComputedStyle(svg).fill), ground(svg)), "text of a figure"]);
  return found; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["plain", "cross"])
def test_text_has_the_contrast_of_level_aa(name, scheme, visit):
    opened, _ = visit
    found = opened(name, color_scheme=scheme).evaluate(CONTRAST)
    assert len(found) > 60
    assert {text: ratio for ratio, text in found if ratio < 4.5} == {}


def test_dark_is_dark_and_print_is_not(visit):
    opened, _ = visit
    page = opened("plain", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 23, 26)"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_tables_sort_by_click_and_by_key_and_say_so(visit):
    opened, heard = visit
    page = opened("plain")
    table = page.locator("#verdicts table").nth(1)
    runs = [float(text.replace("−", "-")) for text in table.locator("td:nth-child(4)").all_inner_texts()]
    head = table.get_by_role("columnheader", name="mean")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in table.locator("td:nth-child(4)").all_inner_texts()] == sorted(runs)
    head.get_by_role("button").focus()
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in table.locator("td:nth-child(4)").all_inner_texts()] == sorted(runs, reverse=True)
    other = table.get_by_role("columnheader", name="schedule")
    other.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") is None
    assert table.locator("tbody th").all_inner_texts() == ["constant", "exponential", "linear"]
    page.locator("#claims summary").first.click()
    missing = page.locator("#claims table").nth(1)
    difference = missing.get_by_role("columnheader", name="difference").get_by_role("button")
    for _ in range(2):  # missing values stay last, whichever way
        difference.click()
        texts = missing.locator("td:nth-child(7)").all_inner_texts()
        assert texts[0] != "–"
        assert texts[-1] == "–"
    assert heard == []


def test_hostile_names_are_text(visit):
    opened, heard = visit
    page = opened("hostile")
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 1
    assert page.locator("[onerror], [onload], a[href^=javascript]").count() == 0
    assert page.locator("h1").inner_text() == HTML
    assert page.get_by_role("rowheader", name=HOSTILE[2], exact=True).first.is_visible()
    assert page.locator(".verdict li").count() == len(HOSTILE) - 1
    assert heard == []


def test_a_name_from_right_to_left_turns_nothing_around_it(visit):
    """The words after the name stand to its right, as in a sentence without it."""
    opened, _ = visit
    page = opened("hostile", viewport={"width": 3000, "height": 900})
    turned = page.locator(".verdict li", has_text="تناقص")
    box = turned.evaluate(
        """node => { const text = node.firstChild, range = document.createRange(), at = text.data.indexOf("against");
        const of = (from, to) => { range.setStart(text, from); range.setEnd(text, to); return range.getBoundingClientRect(); };
        return [of(text.data.indexOf("تناقص"), at - 3).x, of(at, at + 7).x, of(at + 8, at + 16).x]; }"""
    )
    assert box == sorted(box)


def test_the_run_under_the_pointer_is_named(visit):
    opened, _ = visit
    page = opened("plain")
    found = page.evaluate(
        """() => ["finals", "anytime"].map(name => {
        const one = document.querySelector(`#figure-${name} svg .run`); one.scrollIntoView();
        const part = one.querySelector("use") ?? one.querySelector(":scope > path");
        let x, y; if (part.tagName === "use") { const box = part.getBoundingClientRect(); x = box.x + box.width / 2;
          y = box.y + box.height / 2; } else { const at = part.getPointAtLength(0.3 * part.getTotalLength())
          .matrixTransform(part.getScreenCTM()); x = at.x; y = at.y; }
        return document.elementFromPoint(x, y)?.closest(".run")?.querySelector("title")?.textContent; })"""
    )
    assert found[0].startswith("confirm-constant-p000-r000: ")
    assert found[1].startswith("confirm-")  # where curves cross, whichever is on top


def test_a_keyboard_and_a_screen_reader_find_their_way(visit):
    opened, _ = visit
    page = opened("plain")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the verdict")
    assert skip.evaluate("node => node === document.activeElement && node.getBoundingClientRect().x >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#verdict"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    names = page.get_by_role("img").evaluate_all("all => all.map(one => one.getAttribute('aria-label') ?? one.alt)")
    assert len(names) >= 8
    assert all(names)
    assert "Better than constant: linear." in page.locator("#figure-forest svg").get_attribute("aria-label")
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0


def test_the_page_is_whole_without_scripts(visit):
    opened, heard = visit
    page = opened("plain", java_script_enabled=False)
    assert page.locator("thead button").count() == 0
    assert page.locator("#verdict tbody th").first.inner_text() == "linear"
    assert page.locator("figure svg title").count() > 20
    assert heard == []
