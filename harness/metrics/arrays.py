"""Arrays of images in .npy and .npz files: described by their headers, then read some images at a time."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
_ZIP = b"PK"
_AT_A_TIME = 2**24  # bytes


@dataclass(frozen=True)
class Stored:
    """One array of a file: its name in an archive (none in a .npy), shape, type, and whether columns come first."""

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    columns_first: bool

    def images(self) -> Iterator[Images]:
        """Each image (h, w, c) in turn, of an array uint8 (n, h, w, c); whatever a damaged file makes a parser raise."""
        if self.columns_first:
            yield from self.whole()
            return
        size = math.prod(self.shape[1:])
        together = max(1, _AT_A_TIME // size)
        with _opened(self.path, self.member) as stream:
            _header(stream)
            for first in range(0, self.shape[0], together):
                count = min(together, self.shape[0] - first)
                content = stream.read(count * size)
                if len(content) != count * size:
                    raise EOFError(f"{count * size - len(content)} bytes are missing")
                yield from np.frombuffer(content, np.uint8).reshape(count, *self.shape[1:])

    def whole(self) -> NDArray[Any]:
        """The array itself."""
        with _opened(self.path, self.member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


@dataclass(frozen=True, eq=False)
class Held:
    """Images (n, h, w, c) that are in memory."""

    values: Images

    @property
    def shape(self) -> tuple[int, ...]:
        """Number, height, width and channels."""
        return self.values.shape

    def images(self) -> Iterator[Images]:
        """Each image (h, w, c) in turn."""
        return iter(self.values)


def listed(path: Path) -> dict[str, Stored]:
    """The arrays of a .npy ('images') or .npz file by name; raises whatever a damaged file makes a parser raise."""
    with path.open("rb") as stream:
        archive = stream.read(len(_ZIP)) == _ZIP
    if not archive:
        return {"images": _described(path, None, path.stat().st_size)}
    with zipfile.ZipFile(path) as content:
        members = {each.filename: each.file_size for each in content.infolist() if each.filename.endswith(".npy")}
    return {name.removesuffix(".npy"): _described(path, name, size) for name, size in members.items()}


def _described(path: Path, member: str | None, size: int) -> Stored:
    with _opened(path, member) as stream:
        shape, columns_first, dtype = _header(stream)
    if dtype.hasobject:
        raise ValueError("objects would have to be unpickled, which could run a program")
    missing = math.prod(shape) * dtype.itemsize - size
    if missing > 0:
        raise EOFError(f"at least {missing} bytes are missing")
    return Stored(path, member, shape, dtype, columns_first)


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is None:
        with path.open("rb") as stream:
            yield stream
    else:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            yield stream


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)
