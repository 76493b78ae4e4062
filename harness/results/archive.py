"""One file that holds a results folder: written the same byte for byte from the same folder, checked when it is opened."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import files
from harness.results.tables import ResultsError, load

SUFFIX = ".zip"
FORMAT = 1
MANIFEST = "archive.json"  # beside the folder in the archive: format, study, version, SHA-256 of every file
STORED = ("runs.csv", "study.json")  # what says whether a folder is the one that an archive holds
_LEFT_OUT = ("checkpoints", "artifacts", "study.db", "study.db-wal", "study.db-shm")  # made again from what is stored
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of every file: that of packing would change the archive's hash
_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Manifest:
    """What an archive says it holds: the folder's name, and the SHA-256 of each of its files by path."""

    folder: str
    files: dict[str, str]


def pack(folder: Path, target: Path) -> str:
    """Write all files of a results folder but its database and checkpoints into `target`; return its SHA-256.

    Raises ResultsError if the folder holds no results, or `target` is a file that no archive is; OSError if it cannot be
    written.
    """
    study = load(folder).study
    if target.exists() and not _is_archive(target):
        raise ResultsError(f"{target}: is there and is no archive of results; name another file, or move it away")
    name = folder.resolve().name
    paths = kept(folder)
    hashes = {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}
    manifest = {"format": FORMAT, "folder": name, "study": study.name, "harness": study.harness, "files": hashes}
    with files.whole(target) as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(_info(MANIFEST), json.dumps(manifest, indent=1, ensure_ascii=False))
        for path in paths:
            with path.open("rb") as source, archive.open(_info(f"{name}/{path.relative_to(folder).as_posix()}"), "w") as place:
                shutil.copyfileobj(source, place, _BLOCK)
    return _sha256(target)


def kept(folder: Path) -> list[Path]:
    """The files of a results folder but its database, checkpoints and hidden ones, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and _is_kept(path.relative_to(folder)))


def _is_kept(path: Path) -> bool:
    return path.parts[0] not in _LEFT_OUT and not any(part.startswith(".") for part in path.parts)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder that the archive at `path` holds, for as long as the block lasts; any other path as it is.

    Raises ResultsError if the archive is damaged, or holds what it should not.
    """
    if not _named(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="harness-archive-") as temporary:
        yield _unpack(path, _manifest(path), Path(temporary))


def unpacked(path: Path) -> Path:
    """As `opened`, for good: the folder lies beside the archive, by the name that it was packed under.

    One that is there already is used if it holds the same runs; ResultsError if it holds something else.
    """
    if not _named(path):
        return path
    manifest = _manifest(path)
    folder = path.parent / manifest.folder
    if not folder.exists():
        with tempfile.TemporaryDirectory(prefix=".harness-archive-", dir=path.parent) as temporary:
            return _unpack(path, manifest, Path(temporary)).replace(folder)
    for name in STORED:
        if not (folder / name).is_file() or _sha256(folder / name) != manifest.files.get(name):
            raise ResultsError(
                f"{path}: is unpacked into {folder}, which is there and holds something else ({name} differs); move one of "
                "them to another folder"
            )
    return folder


def _named(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX and path.is_file()


def _manifest(path: Path) -> _Manifest:
    """What an archive says it holds, checked."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read(MANIFEST))
            names = archive.namelist()
            size = sum(info.file_size for info in archive.infolist())
    except KeyError as error:
        raise ResultsError(f"{path}: has no {MANIFEST}, so it is no archive of results") from error
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ResultsError(f"{path}: is damaged, or no archive of results ({error})") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else None
        raise ResultsError(f"{path}: its format is {said!r}, but this version reads {FORMAT}")
    folder, hashes = found.get("folder"), found.get("files")
    if not isinstance(folder, str) or not _plain(folder) or not isinstance(hashes, dict):
        raise ResultsError(f"{path}: {MANIFEST} names no folder with its files")
    listed = {MANIFEST, *(f"{folder}/{name}" for name in hashes)}
    strange = sorted({*names} ^ listed) or [name for name in hashes if not all(map(_plain, PurePosixPath(name).parts))]
    if strange or len(names) != len(listed):
        raise ResultsError(f"{path}: holds not what {MANIFEST} lists ({', '.join(strange[:3]) or 'a file twice'})")
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise ResultsError(f"{path}: would take {size / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free")
    return _Manifest(folder, hashes)


def _plain(name: str) -> bool:
    """Whether the name of a file or folder leads nowhere else."""
    return bool(name) and name not in (".", "..") and not set(name) & {"/", "\\", ":", "\0"}


def _unpack(path: Path, manifest: _Manifest, into: Path) -> Path:
    """The folder that an archive holds, unpacked into `into`, every file of the hash that it should have."""
    folder = into / manifest.folder
    with zipfile.ZipFile(path) as archive:
        for name, expected in manifest.files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(f"{manifest.folder}/{name}") as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
            except zipfile.BadZipFile as error:
                raise ResultsError(f"{path}: is damaged ({error})") from error
            if _sha256(place) != expected:
                raise ResultsError(f"{path}: {name} is not the file that was packed")
    return folder
