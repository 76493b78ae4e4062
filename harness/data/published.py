"""Published data sets: their files in a folder, or Keras' download and cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.data_set import DataSettings
from harness.data.images import DataError, ImageSet


def check(settings: DataSettings, names: Sequence[str]) -> None:
    """Raise DataError if `data_dir` is named and is no folder, or lacks one of the files `names`."""
    if settings.data_dir is None:
        return
    if not settings.data_dir.is_dir():
        raise DataError(f"data.data_dir is {settings.data_dir}, which is not a folder")
    for name in names:
        find(settings.data_dir, name)


def find(folder: Path, name: str) -> Path:
    """A data set's file in `folder`, gzipped or not; DataError if it is missing."""
    inner = folder / "cifar-10-batches-bin"  # as the archive unpacks
    for path in (folder / name, folder / f"{name}.gz", inner / name):
        if path.is_file():
            return path
    raise DataError(f"data.data_dir is {folder}, but {name} (or {name}.gz) is not in it")


def through_keras(name: str, files_wanted: str) -> ImageSet:
    """The data set `name` as Keras downloads it once into its cache, whose hash it checks."""
    import keras

    try:
        (train, labels), (held_out, held_out_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise DataError(
            f"data.name is '{name}', which is not in Keras' cache and could not be downloaded "
            f"({type(error).__name__}); set data.data_dir to a folder with {files_wanted}"
        ) from error
    if train.ndim == 3:
        train, held_out = train[..., None], held_out[..., None]
    return ImageSet(name, train, held_out, labels.ravel().astype(np.int64), held_out_labels.ravel().astype(np.int64))
