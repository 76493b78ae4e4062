"""Weights of networks from files of other projects, read as data: no code in a file is ever run."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import urllib.error
import urllib.request
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from harness import files

Reader = Callable[[IO[bytes]], dict[str, NDArray[Any]]]
_AT_A_TIME = 2**20  # bytes of a download


class WeightsError(ValueError):
    """Weights that cannot be had or read; the message names the file and what to do."""


@dataclass(frozen=True)
class Weights:
    """Tensors by their names in the state dict, in TensorFlow's layout, and the file's SHA-256."""

    tensors: dict[str, NDArray[Any]]
    sha256: str


@dataclass(frozen=True)
class Release:
    """A file of weights that its authors have published: of which network, its name, address and SHA-256."""

    network: str
    name: str
    url: str
    sha256: str

    @property
    def cached(self) -> Path:
        """Where the file lies, or would lie."""
        folder = os.environ.get("HARNESS_CACHE") or platformdirs.user_cache_dir("schedule-harness")
        return Path(folder) / self.name


_NONE_FURTHER: Mapping[str, Reader] = {}


def check(path: Path, *, key: str = "evaluate.weights", further: Mapping[str, Reader] = _NONE_FURTHER) -> None:
    """Raise WeightsError if `path`, which `key` names, is no file that can be opened, or of another ending.

    `further` are readers of endings that only some networks know.
    """
    endings = [*_READERS, *further]
    if path.suffix not in endings:
        allowed = f"{', '.join(endings[:-1])} and {endings[-1]}"
        raise WeightsError(f"{key} is {path}, but allowed endings are {allowed}")
    try:
        with path.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        raise WeightsError(f"{key} is {path}, which cannot be read ({error.strerror})") from error


def read(path: Path, *, key: str = "evaluate.weights", further: Mapping[str, Reader] = _NONE_FURTHER) -> Weights:
    """The weights in a .pth (a state dict), a .npz (TensorFlow's layout) or a file that one of the `further` readers takes.

    Raises WeightsError that names the file, and `key`, the study's key or the option that named it.
    """
    check(path, key=key, further=further)
    reader = {**_READERS, **further}[path.suffix]
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            return Weights(reader(stream), digest)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise WeightsError(
            f"{path}: cannot be read as weights ({type(error).__name__}); the file is damaged"
        ) from error


def public(release: Release, *, key: str = "evaluate.weights") -> Weights:
    """The weights of a release, from the cache or downloaded once into it; SHA-256 checked either way.

    `key` is the study's key or the option by which a file can be named instead.
    """
    path = release.cached
    if not path.is_file():
        _download(release, key)
    weights = read(path)
    if weights.sha256 != release.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {weights.sha256}, but must be {release.sha256}; remove the file and run again"
        )
    return weights


def _download(release: Release, key: str) -> None:
    path = release.cached
    advice = f"put the file {release.name} (from {release.url}) at {path}, or name it as {key}"
    try:
        answer = urllib.request.urlopen(release.url, timeout=60)
    except (OSError, urllib.error.URLError) as error:
        raise _not_had(release, error, advice) from error
    with answer:
        try:
            with files.whole(path) as kept:
                hashed = hashlib.sha256()
                while content := _next(answer, release, advice):
                    hashed.update(content)
                    kept.write(content)
                if hashed.hexdigest() != release.sha256:
                    raise WeightsError(
                        f"{release.network} weights as downloaded have another SHA-256 than {release.sha256}: {advice}"
                    )
        except OSError as error:
            raise WeightsError(
                f"{path}: {release.network} weights cannot be kept there ({error.strerror}); "
                f"set HARNESS_CACHE to a folder that can be written to, or {advice}"
            ) from error


def _next(answer: IO[bytes], release: Release, advice: str) -> bytes:
    """Some bytes of a download; a connection that breaks is told from a folder that cannot be written to."""
    try:
        return answer.read(_AT_A_TIME)
    except OSError as error:
        raise _not_had(release, error, advice) from error


def _not_had(release: Release, error: OSError, advice: str) -> WeightsError:
    return WeightsError(f"{release.network} weights are not in the cache and cannot be downloaded ({error}): {advice}")


def _npz(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    with np.load(stream, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _pth(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    """A state dict as torch.save writes it: a zip with a pickle that may name tensors and nothing else."""
    with zipfile.ZipFile(stream) as archive:
        index = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(index) != 1:
            raise WeightsError("has no data.pkl; only files of torch.save since version 1.6 can be read")
        prefix = index[0].removesuffix("data.pkl")
        state = _Restricted(io.BytesIO(archive.read(index[0])), archive, prefix).load()
    if not isinstance(state, dict):
        raise WeightsError("is not a state dict")
    tensors = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise WeightsError("is not a state dict of tensors")
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        elif value.ndim == 2:
            value = value.T
        if not name.endswith("num_batches_tracked"):
            tensors[name] = np.ascontiguousarray(value)
    return tensors


class _Storage:
    """The type of a tensor's numbers, as torch names it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


_TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}


def _tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> NDArray[Any]:
    """A tensor over its numbers; refuses any that would reach outside them."""
    if not all(isinstance(each, int) and each >= 0 for each in (offset, *size, *stride)) or len(size) != len(stride):
        raise WeightsError("holds a tensor with an impossible shape")
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(storage):
        raise WeightsError("holds a tensor that reaches outside its numbers")
    steps = tuple(each * storage.itemsize for each in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()


class _Restricted(pickle.Unpickler):
    """Builds tensors and ordered dictionaries, and nothing else: every other name in the pickle is refused."""

    def __init__(self, stream: io.BytesIO, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(stream)
        self._archive, self._prefix = archive, prefix

    def find_class(self, module: str, name: str) -> Any:
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *_: data
        if module == "torch" and name in _TYPES:
            return _Storage(name)
        raise WeightsError(f"asks for {module}.{name}, which weights have no use for: refused")

    def persistent_load(self, key: Any) -> NDArray[Any]:
        word, storage, entry, _, count = key
        if word != "storage" or not isinstance(storage, _Storage) or not str(entry).isalnum():
            raise WeightsError("refers to something that is not a tensor's storage")
        numbers = np.frombuffer(self._archive.read(f"{self._prefix}data/{entry}"), dtype=_TYPES[storage.kind])
        if len(numbers) != count:
            raise WeightsError("holds fewer numbers than a tensor needs")
        return numbers


_READERS: Mapping[str, Reader] = {".pth": _pth, ".pt": _pth, ".npz": _npz}
