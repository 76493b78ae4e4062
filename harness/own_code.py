"""A user's own files beside a study file that its keys name: Python, and feature networks; read, told by their SHA-256, used.

`network.name = "mine.py:sngan"` names the part `sngan` that the file mine.py declares, as ours are declared (`PART` or
`PARTS`), or something in it that a part is made of, such as a function that builds networks. Reading a file executes
nothing: `read` looks for it, hashes it and parses it. `adopt` executes it, and is called only where the user allowed that.
A feature network's file (`evaluate.features = "mine.npz"`) is data, of which no code is ever run: `adopt_networks` reads it.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, NamedTuple

from harness import kinds
from harness.kinds import Part

FOLDER = "code"  # beside a study file, where a results folder keeps the copies
MakePart = Callable[[str, Any], Part]  # a name in a study file and what the file has under it, to a part


class CodeError(ValueError):
    """A file cannot be used as it is; one line per fault, each with key, file and what is wrong."""


class Named(NamedTuple):
    """A key of a study file that names a file: `name` is "mine.py", "mine.py:NAME" or "mine.npz", for a part of `role`."""

    key: str
    role: str
    name: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.name.partition(":")[0]

    @property
    def part(self) -> str:
        """The part's name within the file; empty where the file's only part of the role is meant."""
        return self.name.partition(":")[2]


def sha256(content: bytes) -> str:
    """What a file's content is told by (hex)."""
    return hashlib.sha256(content).hexdigest()


def read(named: Iterable[Named], folders: Sequence[Path], *, written: Mapping[str, str]) -> dict[str, bytes]:
    """The content of every file that is named, by file name, from the first of `folders` that holds it.

    `written` are SHA-256 sums by file that a study file states; a file must have the stated one. Nothing is executed.
    Raises CodeError for a file that is missing, has changed, is not Python, or does not have what is named.
    """
    found: dict[str, bytes] = {}
    faults: list[str] = []
    for each in named:
        if each.file not in found:
            candidates = [content for folder in folders if (content := _content(folder / each.file)) is not None]
            if not candidates:
                places = " or ".join(str(folder / each.file) for folder in folders)
                faults.append(f"{each.key} is {each.name!r}, but there is no file {places}")
                continue
            stated = written.get(each.file)
            same = [content for content in candidates if stated in (None, sha256(content))]
            if not same:
                faults.append(
                    f"code.{each.file} is {str(stated)[:12]}…, but the file has SHA-256 {sha256(candidates[0])[:12]}…: it "
                    "has changed since; put it back, or give the study another name and leave [code] out"
                )
                continue
            found[each.file] = same[0]
        faults += _parsing_faults(each, found[each.file])
    faults += [
        f"code.{name} is set, but no key names that file" for name in written if name not in found and not faults
    ]
    if faults:
        raise CodeError("\n".join(dict.fromkeys(faults)))
    return found


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _parsing_faults(named: Named, content: bytes) -> list[str]:
    """Whether the file is Python, and has what is named, as far as that shows without executing it."""
    if not kinds.is_own(named.name):
        try:
            network_part(named.name, content)
        except ValueError as error:
            return [f"{named.key} is {named.name!r}, {error}"]
        return []
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line = f" line {error.lineno}" if isinstance(error, SyntaxError) else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        return [f"{named.key} is {named.name!r}, but {named.file}{line} is not Python: {said}"]
    if not named.part:
        return []
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    } | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if named.part in defined | texts | imported:  # a part's name is a text in its declaration
        return []
    hint = kinds.nearest(named.part, defined)
    return [f"{named.key} is {named.name!r}, but {named.file} has nothing of the name {named.part!r}{hint}"]


# --- executing -------------------------------------------------------------------------------------------------------

_executed: dict[tuple[str, str], ModuleType] = {}  # by file name and SHA-256


def adopt(named: Iterable[Named], sources: Mapping[str, bytes], *, make: Mapping[str, MakePart]) -> None:
    """Execute the files of `sources` and let `kinds.find` know the parts that are named in them, in this process.

    `make` turns, by role, something else than a declared part into one. Raises CodeError with key, file and line.
    """
    for each in named:
        module = execute(each, sources[each.file])
        kinds.adopt(each.role, each.name, _part(each, module, make.get(each.role)))


def network_part(name: str, content: bytes) -> Part:
    """The feature network in the content of the file `name`; ValueError in words that follow that name: "which …"."""
    kind: Any = kinds.find("features_file", PurePath(name).suffix.removeprefix("."), key="the file's ending")
    part: Part = kind.read(name, content)
    return part


def adopt_networks(named: Iterable[Named], sources: Mapping[str, bytes]) -> None:
    """Let `kinds.find` know the feature networks in the files of `sources`, in this process. No code in a file is run."""
    for each in named:
        if each.file in sources:
            kinds.adopt(each.role, each.name, network_part(each.name, sources[each.file]))


def forget(named: Iterable[Named]) -> None:
    """Let no part of these names be known in this process, whatever was executed before."""
    for each in named:
        kinds.adopt(each.role, each.name, None)


def execute(named: Named, content: bytes) -> ModuleType:
    """The module of a file's content, executed once per process; CodeError with the line at which it fails."""
    key = (named.file, sha256(content))
    if key not in _executed:
        name = f"own_code.{Path(named.file).stem}_{key[1][:12]}"
        module = ModuleType(name)
        module.__file__ = path = f"{named.file}"
        text = content.decode("utf-8-sig")
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # tracebacks show its lines
        sys.modules[name] = module  # dataclasses look their module up
        try:
            exec(compile(text, path, "exec"), module.__dict__)
        except Exception as error:
            del sys.modules[name]
            raise CodeError(f"{named.key} is {named.name!r}, but {failure(named.file, error)}") from error
        _executed[key] = module
    return _executed[key]


def fault(what: str, file: str, error: BaseException) -> CodeError:
    """What is wrong, as an error of one sentence that begins with `what`; a CodeError that TensorFlow wrapped is itself."""
    text = str(error).strip().splitlines()
    _, wrapped, said = (text[-1] if text else "").partition(f"{CodeError.__name__}: ")
    return CodeError(said if wrapped else f"{what} {failure(file, error)}")


def failure(file: str, error: BaseException) -> str:
    """What went wrong in a user's file, in words: the line of that file, the error's type and message."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    text = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    kind = type(error).__name__
    if text and text[0].startswith("in user code"):  # TensorFlow's own traceback, within the message
        lines += [int(found) for found in re.findall(rf'File "{re.escape(file)}", line (\d+)', str(error))]
        kind, _, said = text[-1].partition(": ")
        text = [said or text[-1]]
    where = f"{file} line {lines[-1]}" if lines else file
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = " (a study's own code is single files, which can import installed packages only)"
    return f"{where} fails with {kind}: {text[0] if text else 'no message'}{hint}"


def _part(named: Named, module: ModuleType, make: MakePart | None) -> Part:
    declared = {part.name: part for part in kinds.parts_in(module) if part.role == named.role}
    if named.part in declared:
        return declared[named.part]
    if not named.part and len(declared) == 1:
        return next(iter(declared.values()))
    thing = getattr(module, named.part, None) if named.part else None
    if thing is not None and isinstance(thing, Part) and thing.role == named.role:
        return thing
    if thing is not None and callable(thing) and make is not None:
        return make(named.name, thing)
    offered = f"its parts of that role are: {', '.join(declared)}" if declared else "it declares no part of that role"
    asked = f"no {named.role} {named.part!r}" if named.part else f"no single {named.role}"
    raise CodeError(f"{named.key} is {named.name!r}, but {named.file} has {asked}: {offered}")
