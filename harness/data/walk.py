"""The rule that says which files of a folder are images, as docs/protocol.md states it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from harness.data.pictures import ENDINGS

# Beside names that begin with a dot: what macOS packs into archives, and Synology's previews.
_HIDDEN = ("__MACOSX", "@eaDir")
_NO_ENDING, _SPECIAL, _LOOPS, _REPEATS = "without ending", "of special kind", "by looping links", "by repeated links"

_Parts = tuple[str, ...]  # a path below the folder


@dataclass(frozen=True)
class _Link:
    """A link to a folder, the real path it leads to, and the real paths of the folders on the way to it."""

    parts: _Parts
    target: str
    way: tuple[str, ...]


class Walk:
    """Looks through a folder and what its links lead to, each real folder once, so that no link leads round for ever.

    What lies in the folder itself comes first, then what links lead to, in the order of their names: the names under
    which files are found do not depend on the machine. A link to a file is an image of its own, as in stores that keep
    equal files once (git-annex, DVC, Hugging Face), but not where the file itself is found as well.
    """

    paths: tuple[Path, ...]  # image files, sorted by their path in the folder
    skipped: Counter[str]  # kind -> number of files, or of links
    faults: list[str]  # folders that cannot be listed, and links that lead nowhere
    seen: set[str]  # real paths of all folders that were looked into

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.skipped, self.faults, self.seen = Counter(), [], set()
        self._found: dict[str, _Parts] = {}  # real path of an image file -> its path below the folder
        self._linked: list[tuple[_Parts, str]] = []  # links to image files
        self._pending: list[_Link] = []
        top = os.path.realpath(folder)
        self._enter((), top, (top,))
        while self._pending:
            links, self._pending = sorted(self._pending, key=lambda each: each.parts), []
            for link in links:
                if any(_holds(link.target, place) for place in link.way):
                    self.skipped[_LOOPS] += 1
                elif link.target in self.seen:
                    self.skipped[_REPEATS] += 1
                else:
                    self._enter(link.parts, link.target, (*link.way, link.target))
        links_to_files = [parts for parts, target in self._linked if target not in self._found]
        self.skipped[_REPEATS] += len(self._linked) - len(links_to_files)
        self.skipped = +self.skipped  # kinds that there are none of do not count
        self.paths = tuple(folder.joinpath(*parts) for parts in sorted([*self._found.values(), *links_to_files]))

    def _enter(self, parts: _Parts, real: str, way: tuple[str, ...]) -> None:
        """All of a folder but what its links lead to."""
        waiting = [(parts, real)]
        while waiting:
            parts, real = waiting.pop()
            if real in self.seen:
                continue
            self.seen.add(real)
            try:
                with os.scandir(self.folder.joinpath(*parts)) as listed:
                    entries = list(listed)
            except OSError as error:
                path = self.folder.joinpath(*parts)
                self.faults.append(f"{path}: cannot be listed ({error.strerror or type(error).__name__})")
                continue
            for entry in entries:
                below = (*parts, entry.name)
                if _hidden(entry.name):
                    self.skipped["hidden"] += _files_in(entry)
                elif entry.is_symlink():
                    self._link(entry, below, (*way, real))
                elif entry.is_dir():
                    waiting.append((below, _inside(real, entry.name)))
                else:
                    self._file(entry, below, _inside(real, entry.name))

    def _file(self, entry: os.DirEntry[str], parts: _Parts, real: str) -> None:
        kind = _kind(entry.name)
        if kind not in ENDINGS:
            self.skipped[kind] += 1
        elif not entry.is_file():
            self.skipped[_SPECIAL] += 1
        else:
            self._found[real] = parts

    def _link(self, entry: os.DirEntry[str], parts: _Parts, way: tuple[str, ...]) -> None:
        kind = _kind(entry.name)
        if _leads(entry.is_dir):
            self._pending.append(_Link(parts, os.path.realpath(entry.path), way))
        elif kind not in (*ENDINGS, _NO_ENDING):
            self.skipped[kind] += 1
        elif not _leads(lambda: bool(entry.stat())):
            # Without an ending it may have been a folder of images: no number would be right.
            self.faults.append(f"{self.folder.joinpath(*parts)}: is a link that leads nowhere")
        elif kind == _NO_ENDING or not entry.is_file():
            self.skipped[_NO_ENDING if kind == _NO_ENDING else _SPECIAL] += 1
        else:
            self._linked.append((parts, os.path.realpath(entry.path)))


def _inside(folder: str, name: str) -> str:
    return folder.rstrip(os.sep) + os.sep + name


def _holds(folder: str, other: str) -> bool:
    return folder == other or other.startswith(_inside(folder, ""))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _HIDDEN


def _files_in(entry: os.DirEntry[str]) -> int:
    """1 for a file or link, else the number of files in a folder."""
    if not entry.is_dir(follow_symlinks=False):
        return 1
    return sum(len(files) for _, _, files in os.walk(entry.path))


def _leads(test: Callable[[], bool]) -> bool:
    """What a test of a directory entry says; no, where a link leads round in a ring."""
    try:
        return test()
    except OSError:
        return False


def _kind(name: str) -> str:
    """A file's ending in lower case, where it looks like one."""
    ending = PurePath(name).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9_+~-]{1,12}", ending) else _NO_ENDING
