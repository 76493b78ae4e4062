"""A user's own images: PNG, JPEG or WebP files in a folder and its subfolders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from harness.data.images import DataError, Images

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def paths(folder: Path) -> list[Path]:
    """The image files below `folder`, sorted by name; raises DataError if there is none."""
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"data.data_dir is {folder}, which {state}")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise DataError(f"data.data_dir is {folder}, which holds no images; allowed endings: {', '.join(ENDINGS)}")
    return found


def read(path: Path) -> NDArray[np.uint8]:
    """One image as uint8 (h, w, c), c 1 or 3: upright by its EXIF note, first frame, transparency on black."""
    try:
        with Image.open(path) as picture:
            return _pixels(ImageOps.exif_transpose(picture))
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise DataError(f"{path}: cannot be read as an image ({type(error).__name__})") from error


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):  # 16 bits a pixel: the upper eight count
        return (np.asarray(picture, dtype=np.int64) // 257).clip(0, 255).astype(np.uint8)[..., None]
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (0, 0, 0, 255)), picture)
    grey = picture.mode in ("1", "L")
    pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def load(folder: Path, *, size: int, channels: int | None, how: str, limit: int | None) -> Images:
    """All images of `folder` as uint8 (n, size, size, c); every unreadable file is named in one DataError."""
    chosen = paths(folder)[: None if limit is None else limit]
    images, faults = [], []
    for path in chosen:
        try:
            images.append(_square(read(path), path, size=size, channels=channels or 3, how=how))
        except DataError as error:
            faults.append(str(error))
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise DataError("; ".join(faults[:5]) + more + "; remove these files or mend them")
    return np.stack(images)


def _square(image: Images, path: Path, *, size: int, channels: int, how: str) -> Images:
    """One image at its final size: resized by its shorter side and cropped in the middle, cropped, or padded."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L" if channels == 1 else "RGB")
    if how == "resize":
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    elif how == "crop":
        if min(picture.size) < size:
            raise DataError(
                f"{path}: {picture.height}x{picture.width} pixels are fewer than data.size = {size}; use fit = 'resize'"
            )
        left, top = (picture.width - size) // 2, (picture.height - size) // 2
        picture = picture.crop((left, top, left + size, top + size))
    else:
        if max(picture.size) > size:
            raise DataError(
                f"{path}: {picture.height}x{picture.width} pixels are more than data.size = {size}; use fit = 'resize'"
            )
        canvas = Image.new(picture.mode, (size, size))
        canvas.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
        picture = canvas
    return np.asarray(picture).reshape(size, size, channels)
