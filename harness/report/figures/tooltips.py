"""SVG tooltips: each dot and curve is titled with its run, which needs no script."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from html import escape
from weakref import WeakKeyDictionary

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

MOST = 2000  # titles per figure; beyond it dots overlap, none could be pointed at, and the page would grow
_NAMES: WeakKeyDictionary[Artist, tuple[str, ...]] = WeakKeyDictionary()
_INK = re.compile("#(?:000000|222222|333333)")
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # not allowed in XML, escaped or not


def name(artist: Artist, names: Sequence[str]) -> None:
    """Give a curve its one name, or a line of markers one name per marker, in the order of its finite points."""
    _NAMES[artist] = tuple(names)


def runs(frame: pd.DataFrame, score: str) -> list[str]:
    """One name per row of a table of runs: run and score, or how the run ended."""
    rows = zip(frame["run"], frame["status"], frame[score], strict=True)
    return [f"{run}: {value:.4g}" if status == "finished" else f"{run}: {status}" for run, status, value in rows]


def identify(figure: Figure) -> dict[str, tuple[str, ...]]:
    """Give named artists group ids for the SVG; return names by id; nothing if there are more than MOST."""
    named = [(artist, _NAMES[artist]) for artist in figure.findobj(Artist) if artist in _NAMES]
    if sum(len(names) for _, names in named) > MOST:
        return {}
    by_id = {}
    for index, (artist, names) in enumerate(named):
        artist.set_gid(f"run-{index}")
        by_id[f"run-{index}"] = names
    return by_id


def titled(svg: str, names: dict[str, tuple[str, ...]]) -> str:
    """The SVG with a <title> in each named curve or marker; a group whose markers do not match its names gets none."""
    for group, texts in names.items():
        start = svg.find(f'<g id="{group}">')
        if start < 0:
            continue
        end = _end(svg, start)
        svg = svg[:start] + _group(svg[start:end], group, texts) + svg[end:]
    return svg


def _group(text: str, group: str, texts: tuple[str, ...]) -> str:
    head = f'<g id="{group}">'
    titles = [f"<title>{escape(_UNSAFE.sub('�', each))}</title>" for each in texts]
    opened = f'<g id="{group}" class="run">'
    markers = len(re.findall(r"<use ", text))
    if markers == 0 and len(titles) == 1:
        return text.replace(head, opened + titles[0], 1)
    if markers != len(titles):
        return text
    following = itertools.count()
    body = re.sub(r"(<use [^>]*?)/>", lambda match: f"{match[1]}>{titles[next(following)]}</use>", text)
    return body.replace(head, opened, 1)


def _end(svg: str, start: int) -> int:
    """The index after the </g> that closes the group opened at `start`."""
    depth = 0
    for tag in re.compile(r"<g[ >]|</g>").finditer(svg, start):
        depth += -1 if tag[0] == "</g>" else 1
        if depth == 0:
            return tag.end()
    return len(svg)


def inline(svg: str, prefix: str, alt: str) -> str:
    """The SVG as an element of a page: ids made unique by `prefix`, described by `alt`, prolog and comments removed."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = svg.replace("url(#", f"url(#{prefix}-")
    svg = _INK.sub("currentColor", svg)  # in the page's colours, dark ones too
    svg = svg.replace("fill: #ffffff", "fill: none")
    points = re.search(r'\bwidth="([0-9.]+)pt"', svg)
    width = f' style="--points: {points[1]}"' if points else ""
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"{width}', 1)
